package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"flowhq/domain"
)

// Metrics are the counters of the message path, named flowhq_*.
type Metrics struct {
	MessagesIn   *prometheus.CounterVec // by kind
	MessagesOut  *prometheus.CounterVec // by lane
	ReplySeconds prometheus.Histogram   // from inbound commit to WhatsApp's acknowledgement
	Heartbeats   prometheus.Histogram   // how long they take
	Missed       prometheus.Counter     // heartbeats that the database did not confirm
	Cuts         prometheus.Counter     // all connections closed, because too many were missed
	ClockSkew    prometheus.Gauge       // own clock less the database's
	Duplicates   prometheus.Counter
	Quarantined  prometheus.Counter
	Ignored      *prometheus.CounterVec // by kind of chat
	DeadLetters  prometheus.Counter
	Expired      *prometheus.CounterVec // by lane
	Ambiguous    prometheus.Counter
	Reconnects   *prometheus.CounterVec // by reason
	PassedOn     prometheus.Counter
	FenceRejects prometheus.Counter
	OldCounter   prometheus.Counter
	Undecrypted  prometheus.Counter
	Retries      prometheus.Counter // retry receipts answered
	Panics       prometheus.Counter
}

// NewMetrics makes the counters and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "flowhq_" + name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "flowhq_" + name, Help: help}, []string{label})
	}
	m := &Metrics{
		MessagesIn:  vec("messages_in_total", "Inbound messages stored.", "kind"),
		MessagesOut: vec("messages_out_total", "Outbound messages that WhatsApp acknowledged.", "lane"),
		ReplySeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "flowhq_reply_seconds",
			Help: "From the commit of an inbound message to WhatsApp's acknowledgement of its answer.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 16)}),
		Heartbeats: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "flowhq_heartbeat_seconds",
			Help: "How long the database takes to confirm this replica.", Buckets: []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 2}}),
		Missed: counter("heartbeat_failures_total", "Heartbeats that the database did not confirm."),
		Cuts:   counter("cuts_total", "Times when all connections were closed because the database had not confirmed this replica in time."),
		ClockSkew: prometheus.NewGauge(prometheus.GaugeOpts{Name: "flowhq_clock_skew_seconds",
			Help: "How far the clock of this machine is ahead of the database's."}),
		Duplicates:   counter("duplicates_total", "Inbound messages seen before."),
		Quarantined:  counter("quarantined_total", "Inbound messages whose conversation failed."),
		Ignored:      vec("ignored_total", "Messages outside one-to-one chats.", "chat"),
		DeadLetters:  counter("dead_letters_total", "Outbound messages given up."),
		Expired:      vec("expired_total", "Outbound messages that were too old to be sent any more.", "lane"),
		Ambiguous:    counter("ambiguous_total", "Attempts to send of unknown outcome: the message may have gone out, but WhatsApp's acknowledgement was not seen."),
		Reconnects:   vec("reconnects_total", "Connections to WhatsApp that ended.", "reason"),
		PassedOn:     counter("tenants_passed_on_total", "Tenants left to other replicas because they could not connect from this one."),
		FenceRejects: counter("fence_rejections_total", "Writes refused because the lease was lost."),
		OldCounter:   counter("old_counter_total", "Redelivered ciphertexts that the ratchet had already passed."),
		Undecrypted:  counter("undecryptable_total", "Messages that could not be decrypted; a retry was asked for."),
		Retries:      counter("retry_receipts_total", "Retry receipts from recipients."),
		Panics:       counter("panics_total", "Panics caught in event handlers."),
	}
	reg.MustRegister(m.MessagesIn, m.MessagesOut, m.ReplySeconds, m.Heartbeats, m.Missed, m.Cuts, m.ClockSkew, m.Duplicates, m.Quarantined, m.Ignored, m.DeadLetters, m.Expired, m.Ambiguous,
		m.Reconnects, m.PassedOn, m.FenceRejects, m.OldCounter, m.Undecrypted, m.Retries, m.Panics)
	return m
}

var laneNames = map[domain.Lane]string{domain.LaneReply: "reply", domain.LaneManual: "manual",
	domain.LaneReminder: "reminder", domain.LaneCampaign: "campaign"}

func (m *Metrics) sent(r domain.Outbound, took time.Duration) {
	m.MessagesOut.WithLabelValues(laneNames[r.Lane]).Inc()
	if r.Lane == domain.LaneReply {
		m.ReplySeconds.Observe(took.Seconds())
	}
}

func (m *Metrics) dead() { m.DeadLetters.Inc() }

func (m *Metrics) expired(lane domain.Lane) { m.Expired.WithLabelValues(laneNames[lane]).Inc() }
