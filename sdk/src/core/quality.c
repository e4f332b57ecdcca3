#include "quality_impl.h"
#include "stats.h"
#include <math.h>
#include <string.h>

#define DEFAULT_INTERVAL_MS 10000
#define DEFAULT_TIMEOUT_MS  5000
#define LOST_BEYOND_MS      150.0   /* a round trip this much above the median waited for a retransmit */
#define WATCH_EVERY_US      100000  /* how often the kernel is asked while something is late */
#define WATCH_MARGIN_US     100000  /* beyond the mean, what is unanswered is late */
#define WATCH_UNKNOWN_US    300000  /* the same without a mean */
#define FORGIVE_FACTOR      1.5     /* of the new median */
#define HANDLER_FIRST_US    1000000 /* a PING waits at most so long for the handler's answer */
#define STALL_US            100000  /* so much after the deadline it was this process that was late */
#define STALL_READ_MS       30      /* data lay in the kernel for so long before it was read */
#define STOP_US             1000000 /* so much after it this process stood still: SIGSTOP, a debugger, a starved machine */
#define STOPS_OF_A_PROBE    4       /* who stands still time and again does not keep a dead link alive */
#define STALLS_IN_A_ROW     4       /* who is always late gets what there is */

static int64_t timeout_us(const struct aivo_quality_core *q)
{
    return (int64_t)q->options.timeout_ms * 1000;
}

static double ms_between(int64_t from_us, int64_t to_us)
{
    return to_us > from_us ? (double)(to_us - from_us) / 1000.0 : 0;
}

static bool is_classic(const struct aivo_quality_core *q)
{
    return q->options.profile == AIVO_PROFILE_CLASSIC;
}

static void tell(const struct aivo_quality_core *q, const struct aivo_quality_call *call)
{
    if (q->tap)
        q->tap(q->tap_user, call);
}

/* ---- Beginning and end ---- */

static void forget_connection(struct aivo_quality_core *q)
{
    q->probe = AIVO_QUALITY_IDLE;
    q->hanging = q->suspect = q->dead = q->answers = q->stalled = false;
    q->handler_due = q->handler_waiting = false;
    q->handler_unanswered = 0;
    q->path_known = false;
    q->wrote_us = q->promised_us = AIVO_QUALITY_NEVER;
    q->latest_ms = (double)NAN;
    q->score = (struct aivo_score){.begun = false};
    q->layers = (struct aivo_layers){.handler_len = 0};
    q->held_pending = q->lost_run = 0;
    aivo_window_clear(&q->window);
    aivo_loss_connected(&q->loss);
}

void aivo_quality_init(struct aivo_quality_core *q, const struct aivo_quality_options *options)
{
    memset(q, 0, sizeof(*q));
    q->options = *options;
    if (!q->options.interval_ms)
        q->options.interval_ms = DEFAULT_INTERVAL_MS;
    if (!q->options.timeout_ms)
        q->options.timeout_ms = DEFAULT_TIMEOUT_MS;
    aivo_window_init(&q->window, q->options.window);
    forget_connection(q);
}

static void begin_probing(struct aivo_quality_core *q, int64_t now_us)
{
    aivo_pace_begin(&q->pace, now_us, (int64_t)q->options.interval_ms * 1000);
    q->probe_due_us = q->watched_us = now_us;
}

void aivo_quality_enable(struct aivo_quality_core *q, int64_t now_us, bool on)
{
    tell(q, &(struct aivo_quality_call){.kind = 'E', .now_us = now_us, .on = on});
    if (q->options.enabled == on)
        return;
    q->options.enabled = on;
    forget_connection(q);
    if (!on)
        return;
    aivo_loss_reset(&q->loss);
    q->answered = q->local_stalls = 0;
    q->ring_len = q->ring_next = 0;
    begin_probing(q, now_us);
}

void aivo_quality_connected(struct aivo_quality_core *q, int64_t now_us)
{
    tell(q, &(struct aivo_quality_call){.kind = 'C', .now_us = now_us});
    forget_connection(q);
    q->connected = true;
    q->connections++;
    begin_probing(q, now_us);
}

void aivo_quality_disconnected(struct aivo_quality_core *q, int64_t now_us)
{
    tell(q, &(struct aivo_quality_call){.kind = 'D', .now_us = now_us});
    forget_connection(q);
    q->connected = false;
}

void aivo_quality_resumed(struct aivo_quality_core *q, int64_t now_us)
{
    tell(q, &(struct aivo_quality_call){.kind = 'R', .now_us = now_us});
    q->probe = AIVO_QUALITY_IDLE;
    q->hanging = q->handler_waiting = false;
    q->wrote_us = q->promised_us = AIVO_QUALITY_NEVER;
    q->probe_due_us = q->watched_us = now_us;
}

/* ---- Time ---- */

/* This process stood still: nobody was there to read an answer, so that time says nothing about the peer. */
static void leave_out(struct aivo_quality_core *q, int64_t stood_us)
{
    if (q->probe == AIVO_QUALITY_SENT)
        q->probe_sent_us += stood_us;
    if (q->hanging)
        q->hang_since_us += stood_us;
    if (q->handler_waiting)
        q->handler_sent_us += stood_us;
    if (q->wrote_us != AIVO_QUALITY_NEVER)
        q->wrote_us += stood_us;
}

/* Called first at every entry that judges. Whoever comes long after the deadline was kept from coming. */
static void note_lateness(struct aivo_quality_core *q, int64_t now_us)
{
    int64_t late_us = q->promised_us == AIVO_QUALITY_NEVER ? 0 : now_us - q->promised_us;
    q->promised_us = AIVO_QUALITY_NEVER;
    if (late_us > STALL_US && q->probe == AIVO_QUALITY_SENT)
        q->probe_late = true;
    if (late_us >= STOP_US && q->stops < STOPS_OF_A_PROBE) {
        q->stops++;
        leave_out(q, late_us);
    }
}

static bool retransmitted(const struct aivo_quality_core *q, const struct aivo_path *path)
{
    return path && q->sent_with_path && path->total_retrans != q->sent_path.total_retrans;
}

static uint32_t resent(const struct aivo_quality_core *q)
{
    bool known = q->probe == AIVO_QUALITY_SENT && q->sent_with_path && q->path_known;
    return known ? q->path.total_retrans - q->sent_path.total_retrans : 0;
}

static int64_t probe_age(const struct aivo_quality_core *q, int64_t now_us)
{
    return q->probe == AIVO_QUALITY_SENT ? now_us - q->probe_sent_us : -1;
}

/* Since when something is unanswered; AIVO_QUALITY_NEVER: nothing is. */
static int64_t waiting_since(const struct aivo_quality_core *q)
{
    int64_t since = q->wrote_us;
    if (q->probe == AIVO_QUALITY_SENT && q->probe_sent_us < since)
        since = q->probe_sent_us;
    if (q->hanging && q->hang_since_us < since)
        since = q->hang_since_us;
    return since;
}

static void judge(struct aivo_quality_core *q, int64_t now_us)
{
    int64_t since = waiting_since(q);
    struct aivo_verdict_input in = {.waiting_us = since == AIVO_QUALITY_NEVER ? -1 : now_us - since,
                                    .probe_us = q->hanging ? now_us - q->hang_since_us : -1,
                                    .timeout_us = timeout_us(q),
                                    .resent = resent(q),
                                    .answers = q->answers,
                                    .path = q->path_known ? &q->path : NULL};
    enum aivo_verdict verdict = aivo_verdict_of(&in);
    bool suspect = verdict != AIVO_VERDICT_FINE;
    if (suspect != q->suspect)
        q->events |= AIVO_QUALITY_SUSPECT;
    q->suspect = suspect;
    if (verdict == AIVO_VERDICT_DEAD && !q->dead) {
        q->dead = true;
        q->events |= AIVO_QUALITY_DEAD;
    }
}

static void give_up_probe(struct aivo_quality_core *q, int64_t now_us)
{
    const struct aivo_path *path = q->path_known ? &q->path : NULL;
    q->probe = AIVO_QUALITY_IDLE;
    q->events |= AIVO_QUALITY_LOST;
    /* With the kernel's counters, silence alone is no packet loss: the server may hang, or a queue be long. */
    if (!path || retransmitted(q, path))
        aivo_loss_observe(&q->loss, now_us, true);
}

/* What was to be answered by now. */
static void expire(struct aivo_quality_core *q, int64_t now_us)
{
    if (!q->connected || q->dead)
        return;
    judge(q, now_us);
    if (q->probe == AIVO_QUALITY_SENT && (q->dead || probe_age(q, now_us) >= timeout_us(q)))
        give_up_probe(q, now_us);
    if (q->handler_waiting && now_us - q->handler_sent_us >= timeout_us(q)) {
        q->handler_waiting = false;
        q->handler_unanswered++;
    }
}

static int64_t watch_from(const struct aivo_quality_core *q)
{
    int64_t since = waiting_since(q);
    if (since == AIVO_QUALITY_NEVER || !q->connected || !q->options.enabled || q->dead)
        return AIVO_QUALITY_NEVER;
    double mean_ms = aivo_stats_mean(q->window.values, q->window.len);
    return since + (q->window.len ? (int64_t)(mean_ms * 1000) + WATCH_MARGIN_US : WATCH_UNKNOWN_US);
}

static int64_t watch_due(const struct aivo_quality_core *q)
{
    int64_t from = watch_from(q);
    return from != AIVO_QUALITY_NEVER && from < q->watched_us + WATCH_EVERY_US ? q->watched_us + WATCH_EVERY_US : from;
}

bool aivo_quality_wants_path(const struct aivo_quality_core *q, int64_t now_us)
{
    return now_us >= watch_due(q);
}

static void keep_path(struct aivo_quality_core *q, const struct aivo_path *path)
{
    if (!path)
        return;
    q->path = *path;
    q->path_known = true;
    aivo_loss_counters(&q->loss, path);
}

void aivo_quality_path(struct aivo_quality_core *q, int64_t now_us, const struct aivo_path *path)
{
    tell(q, &(struct aivo_quality_call){.kind = 'K', .now_us = now_us, .path = path});
    if (!q->connected)
        return;
    keep_path(q, path);
    if (!path->unacked && !path->notsent_bytes)
        q->wrote_us = AIVO_QUALITY_NEVER; /* the program's bytes arrived */
}

unsigned aivo_quality_tick(struct aivo_quality_core *q, int64_t now_us)
{
    tell(q, &(struct aivo_quality_call){.kind = 'T', .now_us = now_us});
    note_lateness(q, now_us);
    expire(q, now_us);
    if (now_us >= watch_due(q))
        q->watched_us = now_us;
    enum aivo_level level = aivo_quality_level(q, now_us);
    unsigned events = q->events;
    if (level != q->level)
        events |= AIVO_QUALITY_LEVEL;
    q->level = level;
    q->events = 0;
    return events;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* While the handler's answer is under way a PONG might have to wait behind it. */
static int64_t ping_due(const struct aivo_quality_core *q)
{
    int64_t free_us = q->handler_waiting ? q->handler_sent_us + HANDLER_FIRST_US : q->probe_due_us;
    return free_us > q->probe_due_us ? free_us : q->probe_due_us;
}

static int64_t next_event(const struct aivo_quality_core *q, int64_t now_us)
{
    if (q->events || q->level != aivo_quality_level(q, now_us))
        return now_us;
    if (!q->connected || !q->options.enabled || q->dead)
        return AIVO_QUALITY_NEVER;
    int64_t deadline = watch_due(q);
    if (q->probe == AIVO_QUALITY_SENT)
        deadline = sooner(deadline, q->probe_sent_us + timeout_us(q));
    else if (q->probe == AIVO_QUALITY_IDLE)
        deadline = sooner(deadline, ping_due(q));
    if (q->handler_waiting)
        deadline = sooner(deadline, q->handler_sent_us + timeout_us(q));
    return q->handler_due ? now_us : deadline;
}

int64_t aivo_quality_deadline(struct aivo_quality_core *q, int64_t now_us)
{
    tell(q, &(struct aivo_quality_call){.kind = 'L', .now_us = now_us});
    q->promised_us = next_event(q, now_us);
    return q->promised_us;
}

/* ---- Probing ---- */

static void begin_hanging(struct aivo_quality_core *q, int64_t now_us, uint64_t id)
{
    if (q->hanging && q->hang_id != id)
        return;
    q->hanging = true;
    q->hang_id = id;
    q->hang_since_us = now_us;
}

bool aivo_quality_next_probe(struct aivo_quality_core *q, int64_t now_us, struct aivo_quality_probe *out)
{
    tell(q, &(struct aivo_quality_call){.kind = 'N', .now_us = now_us});
    note_lateness(q, now_us);
    expire(q, now_us);
    if (!q->options.enabled || !q->connected || q->dead)
        return false;
    if (q->handler_due) {
        q->handler_due = false;
        *out = (struct aivo_quality_probe){q->probe_id, true};
        return true;
    }
    if (q->probe != AIVO_QUALITY_IDLE || now_us < ping_due(q))
        return false;
    q->probe = AIVO_QUALITY_QUEUED;
    q->probe_id = ++q->probes;
    begin_hanging(q, now_us, q->probe_id);
    *out = (struct aivo_quality_probe){q->probe_id, false};
    return true;
}

void aivo_quality_probe_sent(struct aivo_quality_core *q, int64_t now_us, uint64_t id, const struct aivo_path *path)
{
    tell(q, &(struct aivo_quality_call){.kind = 'S', .now_us = now_us, .id = id, .path = path});
    if (q->probe != AIVO_QUALITY_QUEUED || id != q->probe_id)
        return;
    keep_path(q, path);
    q->probe = AIVO_QUALITY_SENT;
    q->probe_sent_us = now_us;
    q->probe_late = false;
    q->stops = 0;
    q->sent_with_path = path != NULL;
    if (path)
        q->sent_path = *path;
    q->probe_due_us = now_us + aivo_pace_next(&q->pace, now_us, q->suspect || q->window.held_len);
    begin_hanging(q, now_us, id);
}

static void keep_sample(struct aivo_quality_core *q, double rtt_ms)
{
    q->answered++;
    q->latest_ms = rtt_ms;
    q->ring[q->ring_next] = rtt_ms;
    q->ring_next = (q->ring_next + 1) % AIVO_QUALITY_RING;
    if (q->ring_len < AIVO_QUALITY_RING)
        q->ring_len++;
}

static bool was_stalled(struct aivo_quality_core *q, const struct aivo_path *path)
{
    bool late = q->probe_late || (path && path->last_data_recv_ms >= STALL_READ_MS);
    q->stalled = late && q->late_in_a_row < STALLS_IN_A_ROW;
    q->late_in_a_row = !late ? 0 : q->stalled ? q->late_in_a_row + 1 : q->late_in_a_row;
    q->local_stalls += q->stalled;
    return q->stalled;
}

/* The clean window's median; before there is one, what the kernel has. NAN: nothing. */
static double usual_ms(const struct aivo_quality_core *q, const struct aivo_path *path)
{
    if (q->window.len)
        return aivo_window_median(&q->window);
    bool known = path && path->min_rtt_us && path->min_rtt_us < UINT32_MAX;
    return known ? path->min_rtt_us / 1000.0 : (double)NAN;
}

/* An outlier without a retransmit of ours: that the answer was lost is known only once the next sample shows that it
 * was no step. Until then it is not counted at all. */
static void observe_held(struct aivo_quality_core *q, int64_t now_us)
{
    size_t lost = q->window.dropped, pending = q->held_pending;
    if (q->window.held_len >= pending && !lost)
        return;
    for (; pending > q->window.held_len; pending--) {
        aivo_loss_observe(&q->loss, now_us, lost > 0);
        lost -= lost > 0;
    }
    q->held_pending = pending;
}

/* Right after a step up the kernel's time-out is too short for the new round trip: it sends again needlessly, and those
 * samples were called lost. The step says that they were not. */
static void forgive_before_step(struct aivo_quality_core *q, bool stepped, bool lost, double rtt_ms)
{
    if (stepped && q->lost_run && q->lost_run_ms <= FORGIVE_FACTOR * aivo_window_median(&q->window))
        aivo_loss_forgive(&q->loss, q->lost_run);
    if (lost) {
        q->lost_run_ms = q->lost_run++ && q->lost_run_ms > rtt_ms ? q->lost_run_ms : rtt_ms;
    } else if (!q->window.held_len) {
        q->lost_run = 0;
    }
}

/* true: the next probe should follow soon. */
static bool take_sample(struct aivo_quality_core *q, int64_t now_us, double rtt_ms, const struct aivo_path *path)
{
    bool again = retransmitted(q, path), loaded = q->sent_with_path && q->sent_path.notsent_bytes;
    bool alone = !q->sent_with_path || !(q->sent_path.unacked || loaded);
    bool lost = again && rtt_ms > usual_ms(q, path) + LOST_BEYOND_MS;
    enum aivo_window_result result = AIVO_WINDOW_ADDED;
    if (!again && !loaded) {
        result = aivo_window_add(&q->window, rtt_ms, true);
        forgive_before_step(q, result == AIVO_WINDOW_STEPPED, false, rtt_ms);
        size_t held = q->window.held_len - (result == AIVO_WINDOW_HELD);
        observe_held(q, now_us);
        q->held_pending = held < q->held_pending ? held : q->held_pending;
    } else if (!q->window.len) { /* better than nothing: the kernel's, which knows which ACK is whose */
        aivo_window_push(&q->window, again && path->rtt_us ? path->rtt_us / 1000.0 : rtt_ms);
    }
    if (alone && result == AIVO_WINDOW_HELD) {
        q->held_pending++;
    } else if (alone) {
        aivo_loss_observe(&q->loss, now_us, lost);
        if (lost)
            forgive_before_step(q, false, true, rtt_ms);
    }
    aivo_quality_evaluate(q, now_us, result == AIVO_WINDOW_STEPPED);
    return lost || result == AIVO_WINDOW_HELD;
}

bool aivo_quality_pong(struct aivo_quality_core *q, int64_t now_us, uint64_t id, const struct aivo_path *path)
{
    tell(q, &(struct aivo_quality_call){.kind = 'P', .now_us = now_us, .id = id, .path = path});
    note_lateness(q, now_us);
    expire(q, now_us);
    if (q->probe != AIVO_QUALITY_SENT || id != q->probe_id)
        return false;
    double rtt_ms = ms_between(q->probe_sent_us, now_us);
    bool doubtful = false;
    q->probe = AIVO_QUALITY_IDLE;
    q->hanging = false;
    q->answers = true;
    keep_sample(q, rtt_ms);
    keep_path(q, path);
    q->wrote_us = AIVO_QUALITY_NEVER;
    bool stalled = was_stalled(q, path);
    if (is_classic(q)) {
        aivo_window_add(&q->window, rtt_ms, false);
        aivo_quality_evaluate(q, now_us, false);
    } else if (!stalled) {
        doubtful = take_sample(q, now_us, rtt_ms, path);
    }
    judge(q, now_us);
    if (doubtful)
        q->probe_due_us = sooner(q->probe_due_us, q->probe_sent_us + aivo_pace_next(&q->pace, now_us, true));
    q->handler_due = q->options.quality_ping && id % AIVO_QUALITY_HANDLER_EVERY == 0 && !q->handler_waiting &&
                     q->handler_unanswered < AIVO_QUALITY_HANDLER_TRIES;
    return true;
}

/* ---- Handler and program ---- */

void aivo_quality_handler_sent(struct aivo_quality_core *q, int64_t now_us, uint64_t id)
{
    tell(q, &(struct aivo_quality_call){.kind = 'H', .now_us = now_us, .id = id});
    if (!q->connected || q->handler_waiting)
        return;
    q->handler_waiting = true;
    q->handler_id = id;
    q->handler_sent_us = now_us;
}

static void add_handler(struct aivo_quality_core *q, double rtt_ms)
{
    if (q->window.len)
        aivo_layers_handler(&q->layers, rtt_ms - aivo_window_median(&q->window));
}

bool aivo_quality_handler_answer(struct aivo_quality_core *q, int64_t now_us, uint64_t id,
                                 const struct aivo_quality_times *times)
{
    tell(q, &(struct aivo_quality_call){.kind = 'A', .now_us = now_us, .id = id, .times = times});
    note_lateness(q, now_us);
    expire(q, now_us);
    if (!q->handler_waiting || id != q->handler_id)
        return false;
    double rtt_ms = ms_between(q->handler_sent_us, now_us);
    q->handler_waiting = false;
    q->handler_unanswered = 0;
    add_handler(q, rtt_ms);
    if (times)
        aivo_layers_times(&q->layers, times->back_ms - rtt_ms, times->received_at_ms, times->sent_at_ms,
                          times->back_ms);
    return true;
}

void aivo_quality_wrote(struct aivo_quality_core *q, int64_t now_us)
{
    tell(q, &(struct aivo_quality_call){.kind = 'W', .now_us = now_us});
    if (q->connected && q->path_known && q->wrote_us == AIVO_QUALITY_NEVER)
        q->wrote_us = now_us;
}

void aivo_quality_heard(struct aivo_quality_core *q, int64_t now_us)
{
    tell(q, &(struct aivo_quality_call){.kind = 'O', .now_us = now_us});
    q->wrote_us = AIVO_QUALITY_NEVER;
}

void aivo_quality_app_ack(struct aivo_quality_core *q, int64_t now_us, int64_t sent_us)
{
    tell(q, &(struct aivo_quality_call){.kind = 'G', .now_us = now_us, .sent_us = sent_us});
    /* A program's handlers differ; they stand in only where the server does not answer quality_ping. */
    if (q->connected && (!q->options.quality_ping || q->handler_unanswered >= AIVO_QUALITY_HANDLER_TRIES))
        add_handler(q, ms_between(sent_us, now_us));
}

/* ---- Replay ---- */

bool aivo_quality_apply(struct aivo_quality_core *q, const struct aivo_quality_call *c)
{
    struct aivo_quality_probe probe;
    switch (c->kind) {
    case 'E':
        aivo_quality_enable(q, c->now_us, c->on);
        return true;
    case 'C':
        aivo_quality_connected(q, c->now_us);
        return true;
    case 'D':
        aivo_quality_disconnected(q, c->now_us);
        return true;
    case 'R':
        aivo_quality_resumed(q, c->now_us);
        return true;
    case 'K':
        if (c->path)
            aivo_quality_path(q, c->now_us, c->path);
        return c->path != NULL;
    case 'T':
        aivo_quality_tick(q, c->now_us);
        return true;
    case 'L':
        aivo_quality_deadline(q, c->now_us);
        return true;
    case 'N':
        aivo_quality_next_probe(q, c->now_us, &probe);
        return true;
    case 'S':
        aivo_quality_probe_sent(q, c->now_us, c->id, c->path);
        return true;
    case 'P':
        aivo_quality_pong(q, c->now_us, c->id, c->path);
        return true;
    case 'H':
        aivo_quality_handler_sent(q, c->now_us, c->id);
        return true;
    case 'A':
        aivo_quality_handler_answer(q, c->now_us, c->id, c->times);
        return true;
    case 'W':
        aivo_quality_wrote(q, c->now_us);
        return true;
    case 'G':
        aivo_quality_app_ack(q, c->now_us, c->sent_us);
        return true;
    case 'O':
        aivo_quality_heard(q, c->now_us);
        return true;
    default:
        return false;
    }
}
