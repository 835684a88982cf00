package flow

var (
	textAppointments      = core.text("appointments")
	textAppointmentHint   = core.text("appointment_hint")
	textNoAppointments    = core.text("no_appointments")
	textAskCancelOne      = core.text("ask_cancel_one", "service", "when")
	textAskCancelWhich    = core.text("ask_cancel_which")
	textCancelledOne      = core.text("cancelled_one", "service", "when")
	textAppointmentStands = core.text("appointment_stands")
)

var wantsCancelAppointment = append(phrases("can't make it, cannot make it, can't come, cannot come, won't make it, reschedule, sitaweza kuja, siwezi kuja, sitakuja, ahirisha, kuahirisha"), crossed(
	"cancel, cancel my, cancel the, cancel our, change my, move my", "appointment, booking, reservation",
	"futa, kufuta, nifutie, ghairi, kughairi, badili, kubadili, badilisha, kubadilisha, sogeza, kusogeza", "miadi, miadi yangu, booking, booking yangu, appointment, appointment yangu",
)...)

var agreesToCancel = phrases("cancel, cancel it, futa, ifute, ghairi, batilisha")

var asksMyAppointments = phrases("my appointment, my appointments, my booking, my bookings, miadi yangu, booking yangu, appointment yangu")

// upcoming lists the customer's confirmed appointments that lie ahead.
func (t *turn) upcoming() []Appointment {
	var ahead []Appointment
	for _, a := range t.state.Appointments {
		if a.At.After(t.in.Now) {
			ahead = append(ahead, a)
		}
	}
	return ahead
}

func (t *turn) listAppointments() {
	ahead := t.upcoming()
	if len(ahead) == 0 {
		t.say(textNoAppointments)
	} else {
		lines := []string{t.render(textAppointments)}
		for _, a := range ahead {
			lines = append(lines, "• "+t.appointment(a))
		}
		t.sayBlock(append(lines, "", t.render(textAppointmentHint))...)
	}
	if t.state.Step != stepMenu {
		t.ask()
	}
}

func (t *turn) appointment(a Appointment) string {
	return "*" + a.Service + "*, " + t.moment(a.At)
}

// cancelAppointment begins the cancellation. Without an appointment, somebody in the middle of booking means that.
func (t *turn) cancelAppointment() {
	switch {
	case len(t.upcoming()) > 0:
		t.enter(stepCancelAppointment)
	case t.state.Step != stepMenu:
		t.cancel()
	default:
		t.say(textNoAppointments)
	}
}

func askCancelAppointment(t *turn) {
	ahead := t.upcoming()
	switch len(ahead) {
	case 0:
		t.reset()
		t.say(textNoAppointments)
	case 1:
		t.say(textAskCancelOne, ahead[0].Service, t.moment(ahead[0].At))
	default:
		lines := []string{t.render(textAskCancelWhich)}
		for i, a := range ahead {
			lines = append(lines, numbered(i, t.appointment(a)))
		}
		t.sayBlock(lines...)
	}
}

func takeCancelAppointment(t *turn) bool {
	ahead := t.upcoming()
	if n, ok := choice(t.text, len(ahead)); ok {
		t.withdraw(ahead[n-1])
		return true
	}
	agreed := t.isYes() || wantsCancelAppointment.in(t.words) || agreesToCancel.is(essence(t.words))
	switch {
	case agreed && len(ahead) == 1 && !t.isNo():
		t.withdraw(ahead[0])
	case t.isNo(), cancelWords.is(essence(t.words)):
		t.reset()
		t.say(textAppointmentStands)
	default:
		return false
	}
	return true
}

func (t *turn) withdraw(gone Appointment) {
	var kept []Appointment
	for _, a := range t.state.Appointments {
		if !a.At.Equal(gone.At) {
			kept = append(kept, a)
		}
	}
	t.state.Appointments = kept
	t.reset()
	t.do(CancelAppointment{At: gone.At.In(t.in.Profile.Location)})
	t.say(textCancelledOne, gone.Service, t.moment(gone.At))
}
