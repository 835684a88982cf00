package e2e

import (
	"net/http"
	"testing"
)

// collisions makes Postgres itself fail one of a hundred statements that write,
// as it does when transactions collide: half of them as serialization failures
// (40001), half as deadlocks (40P01). The program knows nothing of it. A
// sequence counts them, because no rollback takes its steps back. Which
// statements are hit is not seeded: the order of statements is not either.
const collisions = `
CREATE SEQUENCE chaos_collisions;
CREATE FUNCTION chaos_collide() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
  IF random() < 0.01 THEN
    PERFORM nextval('chaos_collisions');
    IF random() < 0.5 THEN
      RAISE EXCEPTION 'could not serialize access due to concurrent update' USING ERRCODE = '40001';
    END IF;
    RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
  END IF;
  RETURN NULL;
END $f$;
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition LOOP
    EXECUTE format('CREATE TRIGGER chaos BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH STATEMENT EXECUTE FUNCTION chaos_collide()', name);
  END LOOP;
END $$`

func TestDatabaseCollisions_LoseNothingAndAnswerNothingTwice(t *testing.T) {
	t.Parallel()
	s := newStorm(t, newWorld(t, postgresDatabase(t)), size(3, 20), 4)
	s.w.change(t, collisions)
	messages := size(300, 10_000)
	s.begin(chaosSeed(t), messages, 4)
	s.allow(messages)
	s.settle(t)
	v := s.judge(t, "C4: collisions in 1 % of the statements")
	v.Seed, v.Injected = chaosSeed(t), s.w.count(t, "SELECT last_value FROM chaos_collisions")
	v.report(t, chaosFile)
	if v.Injected < messages/20 {
		t.Errorf("%d statements failed, want about %d", v.Injected, messages/5)
	}
	if v.RetriesFromBot+v.DecryptErrors > 0 {
		t.Errorf("the bot asked for %d messages again, and phones for %d answers", v.RetriesFromBot, v.DecryptErrors)
	}
}

// With one connection, whatever waits for a connection while it holds one waits
// for ever.
func TestDatabasePool_TheSmallestDoesNotLockItself(t *testing.T) {
	t.Parallel()
	s := newStorm(t, newWorld(t, postgresDatabase(t), setting{"FLOWHQ_DB_CONNS", "1"}), size(3, 20), 4)
	messages := size(300, 20_000)
	s.begin(chaosSeed(t), messages, 4)
	s.allow(messages)
	for _, shop := range s.shops { // people look while the bot works
		shop.log(t)
		shop.does(t, http.MethodPost, "/worker/restart", nil)
	}
	s.settle(t)
	v := s.judge(t, "C6: one connection to the database")
	v.Seed = chaosSeed(t)
	v.report(t, chaosFile)
}
