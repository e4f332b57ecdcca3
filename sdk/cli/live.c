/* The live line of one connection, with its sparkline. Pure. */
#include "report.h"
#include "text.h"
#include <math.h>
#include <string.h>

void cli_recent_add(struct cli_recent *recent, double latency_ms)
{
    recent->value[recent->next] = latency_ms;
    recent->next = (recent->next + 1) % CLI_RECENT_MAX;
    if (recent->count < CLI_RECENT_MAX) {
        recent->count++;
    }
}

double cli_recent_at(const struct cli_recent *recent, size_t count, size_t index)
{
    return recent->value[(recent->next + CLI_RECENT_MAX - count + index) % CLI_RECENT_MAX];
}

bool cli_recent_range(const struct cli_recent *recent, double *least, double *greatest)
{
    *least = INFINITY;
    *greatest = -INFINITY;
    for (size_t i = 0; i < recent->count; i++) {
        double value = cli_recent_at(recent, recent->count, i);
        if (isfinite(value)) {
            *least = fmin(*least, value);
            *greatest = fmax(*greatest, value);
        }
    }
    return isfinite(*least);
}

size_t cli_sparkline(const struct cli_recent *recent, size_t width, bool unicode, char *out, size_t size)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[] = {"_", ".", ",", "-", "=", "+", "*", "#"};
    size_t count = recent->count < width ? recent->count : width;
    double least = INFINITY, greatest = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        double value = cli_recent_at(recent, count, i);
        if (isfinite(value)) {
            least = fmin(least, value);
            greatest = fmax(greatest, value);
        }
    }
    struct cli_text text = {.data = out, .size = size};
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        double value = cli_recent_at(recent, count, i);
        const char *mark = unicode ? "×" : "x";
        if (isfinite(value)) {
            double share = greatest > least ? (value - least) / (greatest - least) : 0;
            mark = (unicode ? blocks : ascii)[(size_t)(share * 7.0 + 0.5)];
        }
        if (strlen(mark) >= text.size - text.used) {
            return i;
        }
        cli_put(&text, "%s", mark);
    }
    return count;
}

const char *cli_figure_short(double value, char out[AIVO_RENDER_FIGURE_MAX])
{
    if (!isfinite(value)) {
        return "-";
    }
    snprintf(out, AIVO_RENDER_FIGURE_MAX, "%.*f", value < 9.95 ? 1 : 0, value);
    return out;
}

static void put_short_percentiles(struct cli_text *text, const struct aivo_quality *q)
{
    char a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX], c[AIVO_RENDER_FIGURE_MAX];
    cli_put(text, "p50/95/99 %s/%s/%s", cli_figure_short(q->p50_ms, a), cli_figure_short(q->p95_ms, b),
            cli_figure_short(q->p99_ms, c));
}

static void put_short_loss(struct cli_text *text, const struct aivo_quality *q, bool unicode)
{
    char a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX], c[AIVO_RENDER_FIGURE_MAX];
    cli_put(text, "loss %s%% (%s%s%s)", cli_figure_short(q->loss_pct, a), cli_figure_short(q->loss_low_pct, b),
            unicode ? "–" : "-", cli_figure_short(q->loss_high_pct, c));
}

const char *cli_level_colour(enum aivo_level level)
{
    switch (level) {
    case AIVO_LEVEL_EXCELLENT:
        return "\033[1;32m";
    case AIVO_LEVEL_GOOD:
        return "\033[32m";
    case AIVO_LEVEL_FAIR:
        return "\033[33m";
    case AIVO_LEVEL_POOR:
        return "\033[31m";
    case AIVO_LEVEL_OFFLINE:
        break;
    }
    return "\033[1;31m";
}

/* Appends a segment after two spaces if it fits into what is left. */
static void put_segment(struct cli_text *line, size_t *left, const char *segment)
{
    size_t columns = cli_columns(segment) + 2;
    if (columns <= *left && strlen(segment) + 2 < line->size - line->used) {
        cli_put(line, "  %s", segment);
        *left -= columns;
    } else {
        *left = 0; /* what comes after is less important: it shall not jump the queue */
    }
}

static void put_figures(struct cli_text *line, size_t *left, const struct cli_snapshot *snapshot, bool unicode)
{
    const struct aivo_quality *q = &snapshot->quality;
    char segment[160];
    struct cli_text text = {.data = segment, .size = sizeof(segment)};
    cli_put_latency(&text, q);
    put_segment(line, left, segment);
    text.used = 0;
    put_short_percentiles(&text, q);
    put_segment(line, left, segment);
    text.used = 0;
    put_short_loss(&text, q, unicode);
    put_segment(line, left, segment);
    put_segment(line, left, cli_stability(q));
    text.used = 0;
    segment[0] = '\0';
    cli_put_cause(&text, snapshot);
    if (text.used > 2) {
        put_segment(line, left, segment + 2); /* put_segment puts the two spaces itself */
    }
}

void cli_live_line(const struct cli_snapshot *snapshot, const struct cli_recent *recent, const struct cli_look *look,
                   char out[CLI_LINE_MAX])
{
    const struct aivo_quality *q = &snapshot->quality;
    struct cli_text line = {.data = out, .size = CLI_LINE_MAX};
    size_t left = look->columns > 1 ? look->columns - 1 : 0;
    char head[32];
    snprintf(head, sizeof(head), "%s %d", aivo_level_name(q->level), q->score);
    out[0] = '\0';
    if (cli_columns(head) > left) { /* a very narrow terminal: the level alone */
        snprintf(head, sizeof(head), "%s", aivo_level_name(q->level));
    }
    if (cli_columns(head) > left) {
        return;
    }
    cli_put(&line, "%s%s%s", look->colour ? cli_level_colour(q->level) : "", head, look->colour ? "\033[0m" : "");
    left -= cli_columns(head);
    if (snapshot->state == AIVO_STATE_CONNECTED) {
        put_figures(&line, &left, snapshot, look->unicode);
    } else {
        put_segment(&line, &left, aivo_state_name(snapshot->state));
    }
    size_t width = left > 2 + 4 ? left - 2 : 0; /* fewer than four columns show nothing */
    if (width > 0 && recent->count > 0) {
        char spark[CLI_RECENT_MAX * 3 + 1];
        cli_sparkline(recent, width < CLI_RECENT_MAX ? width : CLI_RECENT_MAX, look->unicode, spark, sizeof(spark));
        put_segment(&line, &left, spark);
    }
}
