package domain

// Reason is why a tenant is not connected, as a word that code can act on.
type Reason string

const (
	ReasonNone         Reason = ""
	ReasonNetwork      Reason = "network"         // connection lost or refused
	ReasonUnavailable  Reason = "unavailable"     // WhatsApp answers 5xx
	ReasonReplaced     Reason = "replaced"        // another system uses this device
	ReasonLoggedOut    Reason = "logged_out"      // unlinked on the phone
	ReasonBanned       Reason = "banned"          // temporary or final ban
	ReasonOutdated     Reason = "outdated"        // WhatsApp refuses this version
	ReasonRestricted   Reason = "restricted"      // new chats are refused (463)
	ReasonSilent       Reason = "silent"          // connected, but WhatsApp does not answer
	ReasonQRExpired    Reason = "qr_expired"      // nobody scanned in time
	ReasonPairTimeout  Reason = "pairing_timeout" // scanned, but not connected in time
	ReasonPairFailed   Reason = "pairing_failed"  // WhatsApp or the phone refused the link
	ReasonPasskey      Reason = "passkey"         // WhatsApp asks for a passkey on the phone
	ReasonStopped      Reason = "stopped"         // a person stopped it
	ReasonDatabase     Reason = "database"        // our database does not answer
	ReasonUnreachable  Reason = "unreachable"     // several replicas tried in vain while their other tenants are connected
	ReasonUnreadable   Reason = "unreadable"      // its stored settings cannot be read by this program
	ReasonClientFailed Reason = "client_failed"   // anything else that WhatsApp refused
)

// Remedy is what happens, or has to happen, after a disconnect.
type Remedy string

const (
	RemedyRetry     Remedy = "retry"      // connect again by itself, with backoff
	RemedyStop      Remedy = "stop"       // stop and alert: trying again does harm
	RemedyScanAgain Remedy = "scan_again" // a person has to link the phone again
)

type reasonFacts struct {
	remedy Remedy
	en, sw string
}

var reasons = map[Reason]reasonFacts{
	ReasonNone:         {RemedyRetry, "", ""},
	ReasonNetwork:      {RemedyRetry, "The connection to WhatsApp was lost. It will be tried again by itself.", "Muunganisho na WhatsApp umekatika. Utajaribiwa tena wenyewe."},
	ReasonUnavailable:  {RemedyRetry, "WhatsApp is not available at the moment. It will be tried again by itself.", "WhatsApp haipatikani kwa sasa. Itajaribiwa tena yenyewe."},
	ReasonReplaced:     {RemedyStop, "Another system is using this linked device. Close the other one, then start again.", "Mfumo mwingine unatumia kifaa hiki kilichounganishwa. Ufunge huo mwingine, kisha anza tena."},
	ReasonLoggedOut:    {RemedyScanAgain, "The link was removed on the phone. Scan again; the history stays.", "Muunganisho umeondolewa kwenye simu. Scan tena; historia inabaki."},
	ReasonBanned:       {RemedyStop, "WhatsApp has blocked this number. Do not link it again before the block ends.", "WhatsApp imezuia namba hii. Usiiunganishe tena kabla ya kizuizi kuisha."},
	ReasonOutdated:     {RemedyStop, "WhatsApp asks for a newer version of Flow HQ. The operator has to update it.", "WhatsApp inahitaji toleo jipya la Flow HQ. Msimamizi anapaswa kusasisha."},
	ReasonRestricted:   {RemedyRetry, "WhatsApp refuses new chats for now; answers to customers still work.", "WhatsApp imezuia mazungumzo mapya kwa sasa; majibu kwa wateja bado yanafanya kazi."},
	ReasonSilent:       {RemedyRetry, "WhatsApp has not answered for a while. It will be tried again by itself.", "WhatsApp haijajibu kwa muda. Itajaribiwa tena yenyewe."},
	ReasonQRExpired:    {RemedyStop, "Nobody scanned the code in time. Start again to get a new one.", "Hakuna aliyescan kwa wakati. Anza tena kupata code mpya."},
	ReasonPairTimeout:  {RemedyScanAgain, "The phone was scanned but the link did not finish within two minutes. Try again.", "Simu imescan lakini muunganisho haukukamilika ndani ya dakika mbili. Jaribu tena."},
	ReasonPairFailed:   {RemedyScanAgain, "The phone could not be linked. Try again.", "Simu haikuweza kuunganishwa. Jaribu tena."},
	ReasonPasskey:      {RemedyRetry, "WhatsApp asks for a passkey: confirm the request on the phone. If the phone shows none, link with a code instead.", "WhatsApp inaomba passkey: thibitisha ombi kwenye simu. Kama simu haionyeshi ombi, unganisha kwa code."},
	ReasonStopped:      {RemedyStop, "Stopped.", "Imesimamishwa."},
	ReasonDatabase:     {RemedyRetry, "The database does not answer. It will be tried again by itself.", "Hifadhidata haijibu. Itajaribiwa tena yenyewe."},
	ReasonUnreachable:  {RemedyRetry, "Other numbers connect to WhatsApp, this one does not. It will be tried again by itself.", "Namba nyingine zinaungana na WhatsApp, hii haiungani. Itajaribiwa tena yenyewe."},
	ReasonUnreadable:   {RemedyRetry, "The stored settings of this business cannot be read. The operator has to mend them or to update Flow HQ; it is tried again by itself.", "Mipangilio ya biashara hii haisomeki. Msimamizi anapaswa kuirekebisha au kusasisha Flow HQ; itajaribiwa tena yenyewe."},
	ReasonClientFailed: {RemedyRetry, "WhatsApp refused the connection. It will be tried again by itself.", "WhatsApp imekataa muunganisho. Utajaribiwa tena wenyewe."},
}

// Reasons lists every reason, for tests and documentation.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasons))
	for r := range reasons {
		all = append(all, r)
	}
	return all
}

// Remedy returns what follows from a reason; an unknown one is retried.
func (r Reason) Remedy() Remedy {
	if f, ok := reasons[r]; ok {
		return f.remedy
	}
	return RemedyRetry
}

// Text returns a sentence for people: what happened and what to do.
func (r Reason) Text(l Language) string {
	f := reasons[r]
	if l == LanguageSwahili {
		return f.sw
	}
	return f.en
}
