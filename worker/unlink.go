package worker

import (
	"context"
	"time"

	"flowhq/domain"
)

// unlink has a device forgotten that WhatsApp no longer accepts, once its
// connection is closed.
func (r *runner) unlink(reason domain.Reason, detail string) time.Duration {
	r.unlinked = &domain.LinkReport{Event: domain.EventFailed, Unlinked: true, Reason: reason, Detail: detail, LastError: string(reason)}
	return 0
}

// forget deletes the device and ends the tenure. While that fails the device
// stays linked: a tenant that counts as unlinked but still has one could neither
// link another nor be deleted.
func (r *runner) forget() time.Duration {
	told := *r.unlinked
	if err := r.dropKeys(r.ctx); err != nil {
		wait := r.backoff.next()
		r.logger.Error("keys of an unlinked device are not deleted yet; it goes on later", "after", wait, "error", err)
		at := domain.Now().Add(wait)
		r.report(domain.LinkReport{Event: domain.EventLost, Reason: told.Reason, Detail: told.Detail, RetryAt: &at})
		return wait
	}
	r.report(told)
	r.acknowledge(domain.CommandNone, false)
	r.cancel(errReleased)
	return 0
}

// dropKeys deletes the device if there is one.
func (r *runner) dropKeys(ctx context.Context) error {
	if r.jid == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, removeDeadline)
	defer cancel()
	if err := r.svc.Phones.Forget(ctx, r.tenure, r.jid); err != nil {
		return err
	}
	r.jid = ""
	return nil
}
