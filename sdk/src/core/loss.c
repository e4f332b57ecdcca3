#include "loss.h"

#include "stats.h"
#include <math.h>
#include <string.h>

#define Z_TWO_SIDED_95 1.960
#define Z_ONE_SIDED_90 1.2816

void aivo_loss_reset(struct aivo_loss *l)
{
    memset(l, 0, sizeof(*l));
}

void aivo_loss_connected(struct aivo_loss *l)
{
    l->has_last = false;
}

void aivo_loss_counters(struct aivo_loss *l, const struct aivo_path *path)
{
    if (!path->has_dsack)
        l->no_dsack = true;
    if (l->has_last) {
        /* uint32_t differences: the counters may wrap */
        l->retrans += path->total_retrans - l->last.total_retrans;
        l->dsacks += path->dsack_dups - l->last.dsack_dups;
        l->segments += path->data_segs_out - l->last.data_segs_out;
    }
    l->has_last = true;
    l->last = *path;
}

void aivo_loss_observe(struct aivo_loss *l, int64_t now_us, bool lost)
{
    l->observations++;
    l->lost += lost;
    l->recent_us[l->recent_next] = now_us;
    l->recent_lost[l->recent_next] = lost;
    l->recent_next = (l->recent_next + 1) % AIVO_LOSS_RECENT;
    if (l->recent_len < AIVO_LOSS_RECENT)
        l->recent_len++;
}

void aivo_loss_forgive(struct aivo_loss *l, size_t n)
{
    for (size_t i = 0; i < n && i < l->recent_len; i++) {
        size_t at = (l->recent_next + AIVO_LOSS_RECENT - 1 - i) % AIVO_LOSS_RECENT;
        l->lost -= l->recent_lost[at];
        l->recent_lost[at] = false;
    }
}

double aivo_loss_bound(const struct aivo_loss *l, int64_t now_us)
{
    uint64_t n = 0, lost = 0;
    for (size_t i = 0; i < l->recent_len; i++) {
        if (now_us - l->recent_us[i] > AIVO_LOSS_RECENT_US)
            continue;
        n++;
        lost += l->recent_lost[i];
    }
    if (n < AIVO_LOSS_RECENT_MIN)
        return 0;
    double low, high;
    aivo_stats_wilson((double)lost, (double)n, Z_ONE_SIDED_90, &low, &high);
    return 100 * low;
}

static double clamp(double share)
{
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

/* A DSACK can be lost as well, with the downlink's probability: D counted ones stand for D / (1 - down). With
 * 1 - down = (1 - rt) / (1 - up) the losses R - D / (1 - down) = up N give up = (R - D') / (N - D'), D' = D / (1 - rt).
 */
static double uplink_share(const struct aivo_loss *l, double rt)
{
    double dsacks = (double)l->dsacks, retrans = (double)l->retrans, segments = (double)l->segments;
    if (rt < 1)
        dsacks /= 1 - rt;
    if (dsacks > retrans)
        dsacks = retrans;
    return segments - dsacks > 0 ? clamp((retrans - dsacks) / (segments - dsacks)) : 0;
}

/* 1 - (1 - rt) / (1 - up); unknown where nothing came through. */
static double downlink_share(double rt, double up)
{
    return up < 1 ? clamp(1 - (1 - rt) / (1 - up)) : (double)NAN;
}

void aivo_loss_figures(const struct aivo_loss *l, struct aivo_loss_figures *out)
{
    const double unknown = (double)NAN;
    *out = (struct aivo_loss_figures){unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown};
    double rt = 0, low = 0, high = 1;
    if (l->observations) {
        rt = (double)l->lost / (double)l->observations;
        aivo_stats_wilson((double)l->lost, (double)l->observations, Z_TWO_SIDED_95, &low, &high);
        out->rt = 100 * rt;
        out->rt_low = 100 * low;
        out->rt_high = 100 * high;
    }
    if (!l->segments || l->no_dsack)
        return;
    double up = uplink_share(l, rt), up_low, up_high;
    double n = (double)l->segments;
    aivo_stats_wilson(up * n, n, Z_TWO_SIDED_95, &up_low, &up_high);
    out->up = 100 * up;
    out->up_low = 100 * up_low;
    out->up_high = 100 * up_high;
    if (!l->observations)
        return;
    out->down = 100 * downlink_share(rt, up);
    out->down_low = 100 * downlink_share(low, up_high);
    out->down_high = 100 * downlink_share(high, up_low);
}
