/* The live lines of a terminal: one connection with its histogram, or several in a table. Pure. */
#include "report.h"
#include "text.h"
#include <math.h>
#include <string.h>

#define NEAR       1.5 /* below this ratio of greatest to least a linear scale shows more than a logarithmic one */
#define HIST_ROWS  4   /* of one connection's histogram, on a terminal that has room */
#define ROOM_ROWS  14  /* terminal rows from which it is so high; below, it has one */
#define SPARK_MIN  10  /* columns of a table's sparkline and spread: fewer show too little */
#define SPARK_MOST 60
#define NAME_MIN   8

/* ---- histogram ---- */

static double scale_of(const struct cli_histogram *h, double ms)
{
    bool logarithmic = h->low_ms > 0 && h->high_ms > h->low_ms * NEAR;
    double share =
        logarithmic ? log(ms / h->low_ms) / log(h->high_ms / h->low_ms) : (ms - h->low_ms) / (h->high_ms - h->low_ms);
    return fmin(fmax(share, 0), 1);
}

size_t cli_histogram_at(const struct cli_histogram *h, double ms)
{
    size_t column = (size_t)(scale_of(h, ms) * (double)h->width);
    return column < h->width ? column : h->width - 1;
}

bool cli_histogram_of(const struct cli_recent *recent, size_t width, double low_ms, double high_ms,
                      struct cli_histogram *out)
{
    size_t known = 0;
    *out = (struct cli_histogram){.width = width < CLI_HISTOGRAM_MAX ? width : CLI_HISTOGRAM_MAX};
    out->low_ms = fmax(low_ms, 0.001); /* a microsecond: nothing on a network is faster */
    out->high_ms = fmax(high_ms, out->low_ms * 1.001);
    for (size_t i = 0; out->width > 0 && i < recent->count; i++) {
        double value = cli_recent_at(recent, recent->count, i);
        if (isfinite(value)) {
            size_t *count = &out->count[cli_histogram_at(out, value)];
            ++*count;
            out->most = *count > out->most ? *count : out->most;
            known++;
        }
    }
    return known >= 2;
}

void cli_histogram_row(const struct cli_histogram *h, size_t row, size_t height, bool unicode, char *out, size_t size)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[] = {" ", "_", ".", ":", "-", "=", "+", "*", "#"};
    struct cli_text text = {.data = out, .size = size};
    out[0] = '\0';
    for (size_t i = 0; i < h->width && text.used + 4 < size; i++) {
        /* Eighths above the foot of this row; whatever is there at all shows. */
        size_t eighths = h->most > 0 ? (h->count[i] * height * 8 + h->most - 1) / h->most : 0;
        size_t foot = (height - 1 - row) * 8;
        size_t part = eighths <= foot ? 0 : eighths - foot > 8 ? 8 : eighths - foot;
        cli_put(&text, "%s", (unicode ? blocks : ascii)[part]);
    }
}

/* Where the percentiles stand: "^50   ^95^99". Those that would run into one another are left out, the first stay. */
static void put_marks(struct cli_text *text, const struct cli_histogram *h, const struct aivo_quality *q)
{
    const struct {
        double ms;
        const char *mark;
    } marks[] = {{q->p50_ms, "^p50"}, {q->p95_ms, "^p95"}, {q->p99_ms, "^p99"}};
    size_t used = 0;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        size_t at = isfinite(marks[i].ms) ? cli_histogram_at(h, marks[i].ms) : 0;
        if (isfinite(marks[i].ms) && at >= used) {
            cli_put(text, "%*s%s", (int)(at - used), "", marks[i].mark);
            used = at + strlen(marks[i].mark) + 1;
            cli_put(text, " ");
        }
    }
    while (text->used > 0 && text->data[text->used - 1] == ' ') {
        text->data[--text->used] = '\0';
    }
}

static void put_histogram(struct cli_text *text, const struct cli_snapshot *snapshot, const struct cli_recent *recent,
                          const struct cli_look *look)
{
    double least, greatest;
    char low[AIVO_RENDER_FIGURE_MAX], high[AIVO_RENDER_FIGURE_MAX], row[CLI_HISTOGRAM_MAX * 3 + 8];
    struct cli_histogram h;
    size_t height = look->rows >= ROOM_ROWS ? HIST_ROWS : 1;
    if (!cli_recent_range(recent, &least, &greatest)) {
        return;
    }
    aivo_render_figure(least, low);
    aivo_render_figure(greatest, high);
    size_t margin = strlen(low) + strlen(" ms ") + 1;
    size_t beside = margin + 1 + strlen(high) + strlen(" ms") + 5; /* 5: the last mark may stand out */
    if (look->columns < beside + 10 || !cli_histogram_of(recent, look->columns - beside, least, greatest, &h)) {
        return;
    }
    for (size_t i = 0; i < height; i++) {
        cli_histogram_row(&h, i, height, look->unicode, row, sizeof(row));
        bool last = i + 1 == height;
        cli_put(text, "\n%*s%s%s%s", last ? 0 : (int)margin, "", last ? low : "", last ? " ms  " : "", row);
        if (last) {
            cli_put(text, " %s ms", high);
        }
    }
    if (look->rows >= ROOM_ROWS) {
        cli_put(text, "\n%*s", (int)margin, "");
        put_marks(text, &h, &snapshot->quality);
    }
}

void cli_live_one(const struct cli_snapshot *snapshot, const struct cli_recent *recent, const struct cli_look *look,
                  char out[CLI_LIVE_MAX])
{
    char line[CLI_LINE_MAX];
    struct cli_text text = {.data = out, .size = CLI_LIVE_MAX};
    static const struct cli_recent none;
    bool lines = look->rows > 4;
    cli_live_line(snapshot, lines ? &none : recent, look, line);
    cli_put(&text, "%s", line);
    if (lines && recent->count >= 2 && look->columns > SPARK_MIN) {
        char spark[CLI_RECENT_MAX * 3 + 8];
        cli_sparkline(recent, look->columns - 1, look->unicode, spark, sizeof(spark));
        cli_put(&text, "\n%s", spark);
        put_histogram(&text, snapshot, recent, look);
    }
}

/* ---- table ---- */

/* What a table has room for. */
struct layout {
    size_t name, spark, spread; /* columns; 0: left out */
    bool p50, p95, loss, p99, interval, stability;
    double low_ms, high_ms; /* the spread's scale */
    bool has_scale;
};

static size_t longest_name(const struct cli_live_row *rows, size_t count)
{
    size_t most = NAME_MIN;
    for (size_t i = 0; i < count; i++) {
        size_t columns = cli_columns(rows[i].snapshot.url);
        most = columns > most ? columns : most;
    }
    return most;
}

static bool take(size_t *left, size_t columns)
{
    if (*left < columns) {
        return false;
    }
    *left -= columns;
    return true;
}

static struct layout layout_of(const struct cli_live_row *rows, size_t count, const struct cli_look *look)
{
    struct layout l = {.name = longest_name(rows, count), .low_ms = INFINITY, .high_ms = -INFINITY};
    size_t left = look->columns > 1 ? look->columns - 1 : 0;
    size_t level = 2 + 13, now = 2 + 6; /* "Excellent 100", "12345.6" hardly ever */
    size_t most = left / 3 > NAME_MIN ? left / 3 : NAME_MIN;
    most = most + level + now > left && left > level + now ? left - level - now : most;
    l.name = l.name < most ? l.name : most;
    left = left > l.name + level + now ? left - l.name - level - now : 0;
    l.spark = take(&left, SPARK_MIN + 2) ? SPARK_MIN : 0;
    l.p50 = take(&left, 2 + 5);
    l.p95 = l.p50 && take(&left, 2 + 5);
    l.loss = l.p95 && take(&left, 2 + 6);
    l.p99 = l.loss && take(&left, 2 + 5);
    l.spread = l.p99 && take(&left, SPARK_MIN + 2) ? SPARK_MIN : 0;
    l.interval = l.spread > 0 && take(&left, 14);
    l.stability = l.interval && take(&left, 2 + 8);
    size_t each = l.spread > 0 ? left / 2 : left; /* what is left makes these two wider */
    l.spark += l.spark > 0 ? (each < SPARK_MOST - SPARK_MIN ? each : SPARK_MOST - SPARK_MIN) : 0;
    l.spread += l.spread > 0 ? (each < SPARK_MOST - SPARK_MIN ? each : SPARK_MOST - SPARK_MIN) : 0;
    for (size_t i = 0; i < count; i++) {
        double least, greatest;
        if (cli_recent_range(rows[i].recent, &least, &greatest)) {
            l.low_ms = fmin(l.low_ms, least);
            l.high_ms = fmax(l.high_ms, greatest);
            l.has_scale = true;
        }
    }
    return l;
}

/* A name in its columns; of one that is too long the end stays, where ports and paths differ. */
static void put_name(struct cli_text *text, const char *name, size_t columns, bool unicode)
{
    size_t has = cli_columns(name);
    if (has <= columns) {
        cli_put(text, "%s%*s", name, (int)(columns - has), "");
        return;
    }
    const char *mark = unicode ? "…" : "~";
    for (size_t drop = has - columns + 1; drop > 0 && *name; name++) {
        drop -= ((unsigned char)name[1] & 0xc0) != 0x80; /* whole characters */
    }
    cli_put(text, "%s%s", mark, name);
}

static void put_table_head(struct cli_text *text, const struct layout *l, const struct cli_look *look)
{
    cli_put(text, "%s%-*s  %-13s  %6s", look->colour ? "\033[2m" : "", (int)l->name, "", "level", "ms");
    cli_put(text, "%s%s%s%s", l->p50 ? "    p50" : "", l->p95 ? "    p95" : "", l->p99 ? "    p99" : "",
            l->loss ? "  loss %" : "");
    if (l->interval) {
        cli_put(text, " %-13s", "(95 %)");
    }
    if (l->stability) {
        cli_put(text, "  %-8s", "");
    }
    if (l->spark > 0) {
        cli_put(text, "  %-*s", (int)l->spark, "latest");
    }
    if (l->spread > 0 && l->has_scale) {
        char low[AIVO_RENDER_FIGURE_MAX], high[AIVO_RENDER_FIGURE_MAX], left[AIVO_RENDER_FIGURE_MAX + 8],
            right[AIVO_RENDER_FIGURE_MAX + 8];
        snprintf(left, sizeof(left), "%s ms", cli_figure_short(l->low_ms, low));
        snprintf(right, sizeof(right), "%s ms", cli_figure_short(l->high_ms, high));
        size_t both = strlen(left) + strlen(right);
        if (both < l->spread) {
            cli_put(text, "  %s%*s%s", left, (int)(l->spread - both), "", right);
        }
    }
    cli_put(text, "%s", look->colour ? "\033[0m" : "");
}

static void put_table_figures(struct cli_text *text, const struct cli_live_row *row, const struct layout *l,
                              bool unicode)
{
    const struct aivo_quality *q = &row->snapshot.quality;
    char a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX];
    cli_put(text, "  %6s", aivo_render_figure(q->latency_ms, a));
    const struct {
        bool shown;
        double ms;
    } percentiles[] = {{l->p50, q->p50_ms}, {l->p95, q->p95_ms}, {l->p99, q->p99_ms}};
    for (size_t i = 0; i < 3 && percentiles[i].shown; i++) {
        cli_put(text, "  %5s", cli_figure_short(percentiles[i].ms, a));
    }
    if (l->loss) {
        cli_put(text, "  %6s", cli_figure_short(q->loss_pct, a));
    }
    if (l->interval) {
        char interval[64] = "";
        if (isfinite(q->loss_low_pct) && isfinite(q->loss_high_pct)) {
            snprintf(interval, sizeof(interval), "(%s%s%s)", cli_figure_short(q->loss_low_pct, a), unicode ? "–" : "-",
                     cli_figure_short(q->loss_high_pct, b));
        }
        size_t columns = cli_columns(interval);
        cli_put(text, " %s%*s", interval, columns < 13 ? (int)(13 - columns) : 0, "");
    }
    if (l->stability) {
        cli_put(text, "  %-8s", q->stable_known ? cli_stability(q) : "");
    }
}

/* As wide as figures are, so that what comes after stands in its column. */
static void put_table_state(struct cli_text *text, const struct cli_live_row *row, const struct layout *l)
{
    size_t width = 6U + 7U * ((size_t)l->p50 + l->p95 + l->p99) + (l->loss ? 8U : 0U) + (l->interval ? 14U : 0U) +
                   (l->stability ? 10U : 0U);
    const char *state = row->known ? aivo_state_name(row->snapshot.state) : "";
    cli_put(text, "  %-*.*s", (int)width, (int)width, state);
}

static void put_table_row(struct cli_text *text, const struct cli_live_row *row, const struct layout *l,
                          const struct cli_look *look)
{
    const struct aivo_quality *q = &row->snapshot.quality;
    char head[32] = "-", drawn[CLI_RECENT_MAX * 3 + 8];
    put_name(text, row->snapshot.url, l->name, look->unicode);
    if (row->known) {
        snprintf(head, sizeof(head), "%-9s %3d", aivo_level_name(q->level), q->score);
    }
    bool colour = look->colour && row->known;
    cli_put(text, "  %s%-13s%s", colour ? cli_level_colour(q->level) : "", head, colour ? "\033[0m" : "");
    if (row->known && row->snapshot.state == AIVO_STATE_CONNECTED) {
        put_table_figures(text, row, l, look->unicode);
    } else {
        put_table_state(text, row, l);
    }
    if (l->spark > 0) {
        size_t used = cli_sparkline(row->recent, l->spark, look->unicode, drawn, sizeof(drawn));
        cli_put(text, "  %s%*s", drawn, (int)(l->spark - used), "");
    }
    struct cli_histogram h;
    if (l->spread > 0 && l->has_scale && cli_histogram_of(row->recent, l->spread, l->low_ms, l->high_ms, &h)) {
        cli_histogram_row(&h, 0, 1, look->unicode, drawn, sizeof(drawn));
        cli_put(text, "  %s", drawn);
    }
}

/* For a terminal that has no room for figures. */
static void put_narrow_row(struct cli_text *text, const struct cli_live_row *row, size_t name,
                           const struct cli_look *look)
{
    if (name > 0) {
        put_name(text, row->snapshot.url, name, look->unicode);
        cli_put(text, "  ");
    }
    cli_put(text, "%.*s", (int)(look->columns > 1 ? look->columns - 1 : 0),
            row->known ? aivo_level_name(row->snapshot.quality.level) : "-");
}

void cli_live_table(const struct cli_live_row *rows, size_t count, const struct cli_look *look, char out[CLI_LIVE_MAX])
{
    struct cli_text text = {.data = out, .size = CLI_LIVE_MAX};
    struct layout l = layout_of(rows, count, look);
    size_t room = look->rows > 1 ? look->rows - 1 : 1;
    bool titled = look->columns >= 50 && count + 1 <= room;
    out[0] = '\0';
    if (look->columns < NAME_MIN + 2 + 9 + 1) { /* not even names fit: the levels alone */
        l.name = 0;
    }
    if (look->columns < NAME_MIN + 16 + 9) { /* no table fits: the levels */
        for (size_t i = 0; i < count && i < room; i++) {
            cli_put(&text, "%s", i ? "\n" : "");
            put_narrow_row(&text, &rows[i], l.name ? look->columns - 12 : 0, look);
        }
        return;
    }
    if (titled) {
        put_table_head(&text, &l, look);
    }
    for (size_t i = 0; i < count && i < room; i++) {
        cli_put(&text, "%s", i > 0 || titled ? "\n" : "");
        put_table_row(&text, &rows[i], &l, look);
    }
}
