package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Calendar holds the appointments of tenants.
type Calendar struct{ s *Store }

// Calendar returns the store as the calendars of tenants.
func (s *Store) Calendar() Calendar { return Calendar{s} }

type appointmentRow struct {
	bun.BaseModel `bun:"table:appointments,alias:a"`

	TenantID  uuid.UUID `bun:"tenant_id,pk"`
	ID        uuid.UUID `bun:"id,pk"`
	Contact   string    `bun:"contact"`
	Name      string    `bun:"name"`
	Service   string    `bun:"service"`
	At        time.Time `bun:"at"`
	Status    string    `bun:"status"`
	CreatedAt time.Time `bun:"created_at"`
}

// maxAppointments bounds one answer of Appointments.
const maxAppointments = 1000

// Appointments returns what is booked from one moment until before another, in
// order of time, at most a thousand.
func (c Calendar) Appointments(ctx context.Context, tenant uuid.UUID, from, until time.Time) (all []domain.Appointment, err error) {
	defer translated("list appointments", &err)
	var rows []appointmentRow
	err = c.s.read.NewSelect().Model(&rows).Where("tenant_id = ?", tenant).Where("at >= ? AND at < ?", stamp(from), stamp(until)).
		Order("at", "id").Limit(maxAppointments).Scan(ctx)
	for _, r := range rows {
		all = append(all, domain.Appointment{ID: r.ID, TenantID: r.TenantID, Contact: r.Contact, Name: r.Name, Service: r.Service, At: r.At.UTC(),
			Status: domain.AppointmentStatus(r.Status), CreatedAt: r.CreatedAt.UTC()})
	}
	return all, err
}
