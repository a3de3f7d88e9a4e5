/*
 * sync_schedule_test.c
 *	  When topk-ddb-sync claims: at once, again after an interval, and not too often.
 */
#include "schedule.h"

#include "daemon/clock.h"
#include "tap.h"

#define INTERVAL 1000
#define ASKED 100

/* The clock that schedule.c looks at. */
static int64_t now;

int64_t
clock_milliseconds(void)
{
	return now;
}

/* A claim that begins now and takes so long. */
static void
claim(Schedule *schedule, int64_t milliseconds, int rows)
{
	schedule_begin(schedule);
	now += milliseconds;
	schedule_end(schedule, rows, ASKED);
}

static Schedule
start(int64_t at)
{
	Schedule schedule;

	now = at;
	schedule_init(&schedule, INTERVAL);
	return schedule;
}

static void
test_at_once(void)
{
	Schedule schedule = start(10000);

	ok(schedule_next(&schedule) <= now, "the first claim is made at once");
	claim(&schedule, 2, 0);
	ok(schedule_next(&schedule) >= now + INTERVAL - 2 &&
		   schedule_next(&schedule) <= now + INTERVAL + 25,
	   "when nothing happens the next one is an interval later");
	now += 300;
	schedule_want(&schedule);
	ok(schedule_next(&schedule) <= now, "a change is claimed at once");
}

static void
test_followed_up(void)
{
	Schedule schedule = start(20000);
	int64_t	 claimed;

	claim(&schedule, 2, 0);
	now = schedule_next(&schedule);
	claim(&schedule, 2, 0);
	now += 400;
	claimed = now;
	schedule_want(&schedule);
	claim(&schedule, 2, 1);
	now += 100;
	claim(&schedule, 2, 0);
	ok(schedule_next(&schedule) > claimed + INTERVAL &&
		   schedule_next(&schedule) <= claimed + INTERVAL + 25,
	   "what was claimed is looked at again, when its interval has passed");
	now = schedule_next(&schedule);
	claim(&schedule, 2, 0);
	ok(schedule_next(&schedule) > now + INTERVAL / 2, "once");
}

static void
test_not_too_often(void)
{
	Schedule schedule = start(30000);

	claim(&schedule, 100, 1);
	schedule_want(&schedule);
	ok(schedule_next(&schedule) == now + 200,
	   "after a look that took long the server is left alone twice as long");
	now += 200;
	claim(&schedule, 100, ASKED);
	ok(schedule_next(&schedule) <= now, "but not when there was more than was asked for");
}

/* Many claims within an interval: as many follow-ups as steps, and no room is overrun. */
static void
test_many(void)
{
	Schedule schedule = start(40000);
	int		 claims = 0;
	int		 most = 0;

	for (int i = 0; i < 100000; i++)
	{
		now += i % 3;
		schedule_want(&schedule);
		claim(&schedule, 0, 1);
		most = schedule.count > most ? schedule.count : most;
	}
	ok(most <= SCHEDULE_STEPS + 2, "%d claims are to follow at most", most);
	claim(&schedule, 0, 0);
	for (int64_t end = now + 3 * INTERVAL; now < end; now++)
	{
		if (schedule_next(&schedule) > now)
			continue;
		claim(&schedule, 0, 0);
		claims++;
	}
	ok(claims >= SCHEDULE_STEPS && claims <= SCHEDULE_STEPS + 6,
	   "they are all made, and then one an interval: %d", claims);
	ok(schedule.count <= 1, "and none is left");
}

int
main(void)
{
	test_at_once();
	test_followed_up();
	test_not_too_often();
	test_many();
	return done_testing();
}
