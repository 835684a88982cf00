package main

import (
	"context"
	"time"

	"flowhq/domain"
)

// What every replica does beside serving; the database lets one of them do it.
const (
	rollupEvery = 10 * time.Second
	pruneEvery  = time.Hour
	bulkEvery   = 5 * time.Second // in case a poke is lost, or another replica left a job behind
)

// keepUp counts messages into statistics and removes what has had its time,
// until ctx ends. Counting takes at most a three-hundredth of the time: answers
// to customers share the database with it.
func (a *App) keepUp(ctx context.Context) {
	rollup, prune := time.NewTimer(rollupEvery), time.NewTicker(pruneEvery)
	defer rollup.Stop()
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rollup.C:
			rollup.Reset(max(rollupEvery, 300*a.rollUp(ctx)))
		case <-prune.C:
			if err := a.Store.Upkeep().Housekeep(ctx); err != nil && ctx.Err() == nil {
				a.logger.Warn("old rows are not removed", "error", err)
			}
		}
	}
}

// rollUp brings the statistics up to date unless another replica has just done
// it, and returns how long that took.
func (a *App) rollUp(ctx context.Context) time.Duration {
	up, began := a.Store.Upkeep(), time.Now()
	mine, err := up.ClaimRollup(ctx, domain.Now(), rollupEvery-time.Second)
	if err == nil && mine {
		err = up.Rollup(ctx, domain.Now())
	}
	if err != nil && ctx.Err() == nil {
		a.logger.Warn("the statistics are not up to date", "error", err)
	}
	return time.Since(began)
}

// runBulk carries out bulk jobs, one after the other, until ctx ends.
func (a *App) runBulk(ctx context.Context) {
	ticker := time.NewTicker(bulkEvery)
	defer ticker.Stop()
	for {
		worked, err := a.Store.Bulk().RunBulk(ctx)
		if err != nil && ctx.Err() == nil {
			a.logger.Warn("a bulk job is interrupted; it is continued", "error", err)
		}
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-a.bulkWaits:
		case <-ticker.C:
		}
	}
}

// pokeBulk tells runBulk that there is a new job.
func (a *App) pokeBulk() {
	select {
	case a.bulkWaits <- struct{}{}:
	default:
	}
}
