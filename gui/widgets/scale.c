#include "scale.h"
#include <math.h>

double agk_scale_place(const struct agk_scale *scale, double value)
{
    double range = scale->to - scale->from;
    return range > 0 ? scale->start + (value - scale->from) / range * scale->length : scale->start;
}

double agk_scale_value(const struct agk_scale *scale, double place)
{
    return fabs(scale->length) > 0 ? scale->from + (place - scale->start) / scale->length * (scale->to - scale->from)
                                   : scale->from;
}

double agk_nice_above(double value)
{
    if (!isfinite(value) || value <= 0 || value > 1e15) {
        return isfinite(value) && value > 0 ? 1e15 : 1;
    }
    static const double steps[] = {1, 2, 2.5, 5, 10};
    double power = pow(10, floor(log10(value)));
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (steps[i] * power >= value * (1 - 1e-9)) {
            return steps[i] * power;
        }
    }
    return 10 * power;
}

size_t agk_value_ticks(double top, size_t most, double out[AGK_TICKS_MAX])
{
    most = most > AGK_TICKS_MAX ? AGK_TICKS_MAX : most;
    if (most < 2 || !isfinite(top) || top <= 0) {
        if (most > 0) {
            out[0] = 0;
        }
        return most > 0;
    }
    static const double steps[] = {1, 2, 5, 10};
    double raw = top / (double)(most - 1), power = pow(10, floor(log10(raw))), step = 10 * power;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (steps[i] * power >= raw * (1 - 1e-9)) {
            step = steps[i] * power;
            break;
        }
    }
    size_t count = 0;
    while (count < most && step * (double)count <= top * (1 + 1e-9)) {
        out[count] = step * (double)count;
        count++;
    }
    if (count == 1) { /* room for two, and no round step that fits: the top itself */
        out[count++] = top;
    }
    return count;
}

#define S    INT64_C(1000)
#define MIN_ (60 * S)
#define H    (60 * MIN_)
#define D    (24 * H)

static const int64_t clock_steps[] = {S,    2 * S,    5 * S,    10 * S,    15 * S,    30 * S,
                                      MIN_, 2 * MIN_, 5 * MIN_, 10 * MIN_, 15 * MIN_, 30 * MIN_,
                                      H,    2 * H,    3 * H,    6 * H,     12 * H,    D};

/* The least step with which a span is cut into at most parts. */
static int64_t clock_step(int64_t span_ms, int64_t parts)
{
    for (size_t i = 0; i < sizeof(clock_steps) / sizeof(*clock_steps); i++) {
        if (span_ms <= clock_steps[i] * parts) {
            return clock_steps[i];
        }
    }
    int64_t days = span_ms / D / parts + 1;
    return days * D;
}

int64_t agk_time_step(int64_t span_ms, size_t most)
{
    if (span_ms <= 0) {
        return S;
    }
    if (most < 2) {
        return clock_step(span_ms * 2, 1);
    }
    most = most > AGK_TICKS_MAX ? AGK_TICKS_MAX : most;
    return clock_step(span_ms, (int64_t)most - 1); /* n steps may have a tick at both ends */
}

int64_t agk_bin_ms(int64_t span_ms, size_t columns)
{
    columns = columns < 1 ? 1 : columns > AGK_BINS_MAX ? AGK_BINS_MAX : columns;
    return span_ms <= 0 ? S : clock_step(span_ms, (int64_t)columns);
}

/* The first time not before from at which a clock that is `ahead` shows a multiple of step. */
static int64_t align_up(int64_t from, int64_t step, int64_t ahead)
{
    int64_t over = (from + ahead) % step;
    return over == 0 ? from : from + step - (over < 0 ? over + step : over);
}

size_t agk_time_ticks(int64_t from_ms, int64_t to_ms, int64_t step_ms, agk_zone_fn zone, void *user,
                      int64_t out[AGK_TICKS_MAX])
{
    size_t count = 0;
    if (step_ms <= 0) {
        return 0;
    }
    for (int64_t from = from_ms; count < AGK_TICKS_MAX;) {
        int64_t ahead = zone ? zone(from, user) : 0, at = align_up(from, step_ms, ahead);
        int64_t then = zone ? zone(at, user) : 0;
        if (then != ahead) { /* on the way there the clock was put forward or back */
            at = align_up(from, step_ms, then);
        }
        if (at > to_ms) {
            break;
        }
        out[count++] = at;
        from = at + 1;
    }
    return count;
}
