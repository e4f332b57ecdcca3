#include "format.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Digits in groups of three. */
static void group(const char *digits, char out[AGK_TEXT])
{
    const char *separator = localeconv()->thousands_sep;
    if (!separator || !*separator || strlen(separator) > 4) {
        separator = ",";
    }
    size_t used = 0;
    for (size_t left = strlen(digits); left > 0; left--, digits++) {
        size_t room = 1 + (left > 1 && left % 3 == 1 ? strlen(separator) : 0);
        if (used + room >= AGK_TEXT) {
            break;
        }
        out[used++] = *digits;
        if (room > 1) {
            memcpy(out + used, separator, room - 1);
            used += room - 1;
        }
    }
    out[used] = '\0';
}

void agk_format_count(double value, char out[AGK_TEXT])
{
    if (!isfinite(value) || value < 0) {
        snprintf(out, AGK_TEXT, AGK_DASH);
        return;
    }
    char digits[24];
    snprintf(digits, sizeof(digits), "%.0f", fmin(value, 1e15));
    group(digits, out);
}

/* A figure of two or three digits: one decimal below 10, none above. */
static void figure(double value, char out[AGK_TEXT])
{
    if (value < 9.95) {
        snprintf(out, AGK_TEXT, "%.1f", value);
    } else {
        agk_format_count(value, out);
    }
}

static void with_unit(double value, const char *unit, char out[AGK_TEXT])
{
    if (!isfinite(value) || value < 0) {
        snprintf(out, AGK_TEXT, AGK_DASH);
        return;
    }
    char number[AGK_TEXT];
    figure(value, number);
    const char *less = "";
    if (value > 0 && value < 0.05) {
        figure(0.1, number);
        less = "<";
    } else if (value <= 0) {
        snprintf(number, sizeof(number), "0");
    }
    snprintf(out, AGK_TEXT, "%s%.36s%s", less, number, unit);
}

static void speak(double value, const char *unit, char out[AGK_TEXT])
{
    char number[AGK_TEXT];
    with_unit(value, "", number);
    if (strcmp(number, AGK_DASH) == 0) {
        snprintf(out, AGK_TEXT, "unknown");
    } else if (number[0] == '<') {
        snprintf(out, AGK_TEXT, "below %.20s %s", number + 1, unit);
    } else {
        snprintf(out, AGK_TEXT, "%.28s %s", number, unit);
    }
}

void agk_format_ms(double ms, char out[AGK_TEXT])
{
    with_unit(ms, AGK_NBSP "ms", out);
}

void agk_format_tick(double value, const char *unit, char out[AGK_TEXT])
{
    char number[AGK_TEXT];
    if (value >= 1000) {
        agk_format_count(value, number);
    } else {
        snprintf(number, sizeof(number), "%.4g", value);
    }
    snprintf(out, AGK_TEXT, "%.30s%.10s", number, value > 0 ? unit : "");
}

void agk_speak_ms(double ms, char out[AGK_TEXT])
{
    speak(ms, "milliseconds", out);
}

void agk_format_percent(double percent, char out[AGK_TEXT])
{
    with_unit(percent, AGK_NBSP "%", out);
}

void agk_speak_percent(double percent, char out[AGK_TEXT])
{
    speak(percent, "percent", out);
}

void agk_format_interval(double low, double high, char out[AGK_TEXT])
{
    if (!isfinite(low) || !isfinite(high) || low < 0 || high < low) {
        snprintf(out, AGK_TEXT, AGK_DASH);
        return;
    }
    char from[AGK_TEXT], to[AGK_TEXT];
    with_unit(low, "", from);
    with_unit(high, AGK_NBSP "%", to);
    snprintf(out, AGK_TEXT, "%.16s" AGK_DASH "%.20s", from, to);
}

void agk_speak_interval(double low, double high, char out[AGK_TEXT])
{
    if (!isfinite(low) || !isfinite(high) || low < 0 || high < low) {
        snprintf(out, AGK_TEXT, "unknown");
        return;
    }
    char from[AGK_TEXT], to[AGK_TEXT];
    with_unit(low, "", from);
    with_unit(high, "", to);
    snprintf(out, AGK_TEXT, "between %.10s and %.10s percent", from, to);
}

struct unit {
    int64_t seconds;
    const char *shortly, *singular, *plural;
};

static const struct unit units[] = {{86400, "d", "day", "days"},
                                    {3600, "h", "hour", "hours"},
                                    {60, "min", "minute", "minutes"},
                                    {1, "s", "second", "seconds"}};

static const struct unit *unit_of(int64_t seconds)
{
    for (size_t i = 0; i < 3; i++) {
        if (seconds >= units[i].seconds) {
            return &units[i];
        }
    }
    return &units[3];
}

void agk_format_ago(int64_t seconds, char out[AGK_TEXT])
{
    if (seconds < 0) {
        snprintf(out, AGK_TEXT, AGK_DASH);
    } else if (seconds == 0) {
        snprintf(out, AGK_TEXT, "now");
    } else {
        const struct unit *unit = unit_of(seconds);
        snprintf(out, AGK_TEXT, "%lld" AGK_NBSP "%s ago", (long long)(seconds / unit->seconds), unit->shortly);
    }
}

void agk_speak_ago(int64_t seconds, char out[AGK_TEXT])
{
    if (seconds < 0) {
        snprintf(out, AGK_TEXT, "unknown");
    } else if (seconds == 0) {
        snprintf(out, AGK_TEXT, "now");
    } else {
        const struct unit *unit = unit_of(seconds);
        long long n = (long long)(seconds / unit->seconds);
        snprintf(out, AGK_TEXT, "%lld %s ago", n, n == 1 ? unit->singular : unit->plural);
    }
}

void agk_format_lasting(int64_t seconds, char out[AGK_TEXT])
{
    const struct unit *unit = unit_of(seconds < 0 ? 0 : seconds);
    snprintf(out, AGK_TEXT, "%lld" AGK_NBSP "%s", (long long)((seconds < 0 ? 0 : seconds) / unit->seconds),
             unit->shortly);
}

unsigned agk_ago_next(int64_t seconds)
{
    if (seconds < 0) {
        return 1;
    }
    int64_t step = unit_of(seconds)->seconds;
    return (unsigned)(step - seconds % step);
}

void agk_format_span(int64_t seconds, char out[AGK_TEXT])
{
    const struct unit *unit = unit_of(seconds);
    while (seconds % unit->seconds != 0) { /* the largest that it is a multiple of; the last is a second */
        unit++;
    }
    long long n = (long long)(seconds / unit->seconds);
    snprintf(out, AGK_TEXT, "%lld %s", n, n == 1 ? unit->singular : unit->plural);
}

const char *agk_cause_words(enum aivo_cause cause)
{
    static const char *const words[AIVO_QUALITY_CAUSES] = {
        [AIVO_CAUSE_NETWORK_LATENCY] = "Latency of the network",
        [AIVO_CAUSE_UPLINK_LOSS] = "Packets lost on the way to the server",
        [AIVO_CAUSE_DOWNLINK_LOSS] = "Packets lost on the way back",
        [AIVO_CAUSE_LOSS] = "Packets lost",
        [AIVO_CAUSE_JITTER] = "Latency that varies",
        [AIVO_CAUSE_EDGE] = "Proxies and the server's event loop",
        [AIVO_CAUSE_SERVER_HANDLER] = "The server's application is slow",
        [AIVO_CAUSE_LOCAL_STALL] = "This computer was too busy to measure",
        [AIVO_CAUSE_DEAD] = "Nothing comes through",
    };
    return (unsigned)cause < AIVO_QUALITY_CAUSES ? words[cause] : "Something else";
}

bool agk_cause_counts(const struct aivo_quality_cause *cause)
{
    return cause->points >= 0.5 || cause->cause == AIVO_CAUSE_SERVER_HANDLER || cause->cause == AIVO_CAUSE_LOCAL_STALL;
}

void agk_format_points(double points, char out[AGK_TEXT])
{
    if (!isfinite(points)) {
        snprintf(out, AGK_TEXT, AGK_DASH);
    } else if (points < 0.5) {
        snprintf(out, AGK_TEXT, "0");
    } else {
        snprintf(out, AGK_TEXT, AGK_MINUS "%.0f", fmin(points, 100));
    }
}
