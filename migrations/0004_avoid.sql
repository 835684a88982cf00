-- +goose Up
-- A tenant that could not connect from one replica while others could is left to those others: avoid is the replica that
-- gave it up and keeps away from it until avoid_until. fail_count is how often in a row that happened.
ALTER TABLE leases ADD COLUMN avoid {{.ID}};
ALTER TABLE leases ADD COLUMN avoid_until {{.Time}};
