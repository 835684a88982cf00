package domain

import (
	"time"

	"github.com/google/uuid"
)

// AuditEntry is one act of a person or of a program with a key: who did what
// to which tenant, from where, and what it changed. Entries are only ever added.
type AuditEntry struct {
	ID       uuid.UUID
	At       time.Time
	ActorID  *uuid.UUID // the user; nil for API keys and one-time links
	Actor    string     // address of the user, or the label of the key
	TenantID *uuid.UUID // nil when no tenant is concerned
	Tenant   string     // its name at that time; it may be deleted since
	Action   AuditAction
	Address  string // network address of the caller
	Before   string // JSON object of the fields that changed; "" when nothing is to be shown
	After    string
}

// AuditAction names what was done, as "object.verb".
type AuditAction string

const (
	AuditSignIn         AuditAction = "session.sign_in"
	AuditSignInFailed   AuditAction = "session.sign_in_failed"
	AuditSignOut        AuditAction = "session.sign_out"
	AuditSessionsEnded  AuditAction = "session.end_all"
	AuditSessionRevoked AuditAction = "session.revoke"
	AuditStepUp         AuditAction = "session.step_up"
	AuditPassword       AuditAction = "user.password"
	AuditTOTPOn         AuditAction = "user.totp_on"
	AuditTOTPOff        AuditAction = "user.totp_off"
	AuditRecoveryCodes  AuditAction = "user.recovery_codes"
	AuditUserInvited    AuditAction = "user.invite"
	AuditInviteRevoked  AuditAction = "user.invite_revoke"
	AuditUserCreated    AuditAction = "user.create"
	AuditUserDisabled   AuditAction = "user.disable"
	AuditUserEnabled    AuditAction = "user.enable"
	AuditKeyCreated     AuditAction = "key.create"
	AuditKeyRevoked     AuditAction = "key.revoke"
	AuditTenantCreated  AuditAction = "tenant.create"
	AuditTenantUpdated  AuditAction = "tenant.update"
	AuditTenantStart    AuditAction = "tenant.start"
	AuditTenantStop     AuditAction = "tenant.stop"
	AuditTenantRestart  AuditAction = "tenant.restart"
	AuditTenantReset    AuditAction = "tenant.reset"
	AuditTenantDeleted  AuditAction = "tenant.delete"
	AuditTenantExport   AuditAction = "tenant.export"
	AuditPairingCode    AuditAction = "tenant.pairing_code"
	AuditMessageRetry   AuditAction = "message.retry"
	AuditMessageSend    AuditAction = "message.send"
	AuditChatResumed    AuditAction = "chat.resume"
	AuditBulk           AuditAction = "tenants.bulk"
	AuditReplicaDrain   AuditAction = "replica.drain"
	AuditReplicaResume  AuditAction = "replica.resume"
	AuditSetting        AuditAction = "system.setting"
)

// AuditFilter narrows the audit log. Zero fields do not narrow.
type AuditFilter struct {
	Scope    Scope // required
	TenantID uuid.UUID
	ActorID  uuid.UUID
	Area     string // the part of an action before the dot: "tenant", "session", …
	Search   string // part of the actor's or the tenant's name, case-insensitive
}
