#include "timetext.h"
#include <stddef.h>
#include <string.h>
#include <time.h>

/* Exactly count digits; moves on behind them. */
static bool digits(const char **text, int count, int *out)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9') {
            return false;
        }
        value = value * 10 + (**text - '0');
    }
    *out = value;
    return true;
}

static bool skip(const char **text, char c)
{
    if (**text != c) {
        return false;
    }
    (*text)++;
    return true;
}

static bool parse_ago(const char *text, int64_t now_ms, int64_t *out_ms)
{
    static const char units[] = "smhd";
    static const int64_t unit_ms[] = {1000, 60000, 3600000, 86400000};
    int64_t value = 0;
    size_t len = strspn(text, "0123456789");
    const char *unit = len > 0 && len <= 9 && text[len] ? strchr(units, text[len]) : NULL;
    if (!unit || text[len + 1] != '\0') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        value = value * 10 + (text[i] - '0');
    }
    *out_ms = now_ms - value * unit_ms[unit - units];
    return true;
}

static bool parse_date(const char **text, struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!digits(text, 4, &year) || !skip(text, '-') || !digits(text, 2, &month) || !skip(text, '-') ||
        !digits(text, 2, &day) || year < 1970 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return day <= days[month - 1] + (month == 2 && leap);
}

/* "12:00", "12:00:30", "12:00:30.5" */
static bool parse_clock(const char **text, struct tm *tm, int *ms)
{
    if (!digits(text, 2, &tm->tm_hour) || !skip(text, ':') || !digits(text, 2, &tm->tm_min) || tm->tm_hour > 23 ||
        tm->tm_min > 59) {
        return false;
    }
    if (!skip(text, ':')) {
        return true;
    }
    if (!digits(text, 2, &tm->tm_sec) || tm->tm_sec > 60) {
        return false;
    }
    if (!skip(text, '.')) {
        return true;
    }
    int scale = 100, digit;
    const char *begin = *text;
    while (digits(text, 1, &digit)) {
        *ms += digit * scale;
        scale /= 10;
    }
    return *text > begin && *text - begin <= 9;
}

/* "", "Z", "+01:00": minutes to take off. */
static bool parse_zone(const char **text, int *minutes)
{
    int sign = **text == '-' ? -1 : 1, hours, rest;
    if (**text == '\0' || skip(text, 'Z') || skip(text, 'z')) {
        return true;
    }
    if (!skip(text, '+') && !skip(text, '-')) {
        return false;
    }
    if (!digits(text, 2, &hours) || !skip(text, ':') || !digits(text, 2, &rest) || hours > 23 || rest > 59) {
        return false;
    }
    *minutes = sign * (hours * 60 + rest);
    return true;
}

bool cli_time_parse(const char *text, int64_t now_ms, int64_t *out_ms)
{
    struct tm tm = {0};
    int ms = 0, zone = 0;
    if (parse_ago(text, now_ms, out_ms)) {
        return true;
    }
    if (!parse_date(&text, &tm)) {
        return false;
    }
    if ((skip(&text, 'T') || skip(&text, 't') || skip(&text, ' ')) &&
        (!parse_clock(&text, &tm, &ms) || !parse_zone(&text, &zone))) {
        return false;
    }
    if (*text != '\0') {
        return false;
    }
    *out_ms = (int64_t)timegm(&tm) * 1000 + ms - (int64_t)zone * 60000;
    return true;
}
