#include "window.h"

#include "stats.h"
#include <math.h>
#include <string.h>

#define MAD_TO_SIGMA  1.4826
#define OUTLIER_SIGMA 4
#define OUTLIER_SHARE 0.2 /* of the median */
#define OUTLIER_MS    10
#define HISTORY       20 /* samples among which spikes are rare or not */

void aivo_window_init(struct aivo_window *w, size_t size)
{
    memset(w, 0, sizeof(*w));
    w->size = !size ? AIVO_WINDOW_DEFAULT : size > AIVO_WINDOW_MAX ? AIVO_WINDOW_MAX : size;
}

void aivo_window_clear(struct aivo_window *w)
{
    w->len = w->held_len = w->dropped = 0;
    w->history = 0;
}

void aivo_window_push(struct aivo_window *w, double value)
{
    if (w->len == w->size)
        memmove(w->values, w->values + 1, --w->len * sizeof(w->values[0]));
    w->values[w->len++] = value;
}

double aivo_window_median(const struct aivo_window *w)
{
    return aivo_stats_median(w->values, w->len);
}

static double bound_of(const struct aivo_window *w, double median)
{
    double off[AIVO_WINDOW_MAX];
    for (size_t i = 0; i < w->len; i++)
        off[i] = w->values[i] > median ? w->values[i] - median : median - w->values[i];
    double bound = OUTLIER_SIGMA * MAD_TO_SIGMA * aivo_stats_median(off, w->len);
    if (bound < OUTLIER_SHARE * median)
        bound = OUTLIER_SHARE * median;
    return bound < OUTLIER_MS ? OUTLIER_MS : bound;
}

static bool is_outlier(const struct aivo_window *w, double value, bool *above)
{
    double median = aivo_window_median(w);
    *above = value > median;
    if (w->len < AIVO_WINDOW_TESTED) /* too few for a deviation, but not for what stands out so far */
        return w->len >= 2 && value > median + AIVO_WINDOW_RESENT;
    return (*above ? value - median : median - value) > bound_of(w, median);
}

static bool are_rare(uint32_t history)
{
    unsigned count = 0;
    for (history &= (1u << HISTORY) - 1; history; history &= history - 1)
        count++;
    return count <= AIVO_WINDOW_RARE;
}

/* What was held were spikes. */
static void release_held(struct aivo_window *w)
{
    double high = aivo_window_median(w) + AIVO_WINDOW_RESENT;
    for (size_t i = 0; i < w->held_len; i++) {
        bool resent = w->held[i] > high;
        w->history = w->history << 1 | resent;
        if (resent && are_rare(w->history))
            w->dropped++;
        else
            aivo_window_push(w, w->held[i]);
    }
    w->held_len = 0;
}

static enum aivo_window_result step_to(struct aivo_window *w, double value)
{
    w->len = 0;
    for (size_t i = 0; i < w->held_len; i++)
        aivo_window_push(w, w->held[i]);
    w->held_len = 0;
    aivo_window_push(w, value);
    return AIVO_WINDOW_STEPPED;
}

enum aivo_window_result aivo_window_add(struct aivo_window *w, double value, bool hold)
{
    w->dropped = 0;
    bool above = false, outlier = hold && is_outlier(w, value, &above);
    if (w->held_len && (!outlier || above != w->held_above)) {
        release_held(w); /* they were spikes; what the window now is decides about this one */
        outlier = hold && is_outlier(w, value, &above);
    }
    if (!outlier) {
        aivo_window_push(w, value);
        w->history <<= 1;
        return AIVO_WINDOW_ADDED;
    }
    if (w->held_len == AIVO_WINDOW_STEP - 1)
        return step_to(w, value);
    w->held[w->held_len++] = value;
    w->held_above = above;
    return AIVO_WINDOW_HELD;
}
