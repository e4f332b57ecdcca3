#include "httpdate.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static int number(const char *text, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* Days since 1970-01-01, proleptic Gregorian. */
static int64_t days_of(int year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, yoe = year - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

int64_t diag_http_date(const char *text, size_t len)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (len != 29 || text[3] != ',' || text[4] != ' ' || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' ||
        text[19] != ':' || text[22] != ':' || memcmp(text + 25, " GMT", 4) != 0)
        return 0;
    int month = 0;
    for (int i = 0; i < 12; i++)
        if (memcmp(months + 3 * i, text + 8, 3) == 0)
            month = i + 1;
    int day = number(text + 5, 2), year = number(text + 12, 4);
    int hour = number(text + 17, 2), minute = number(text + 20, 2), second = number(text + 23, 2);
    if (month == 0 || day < 1 || day > 31 || year < 1970 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 60)
        return 0;
    return ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000;
}

double diag_http_number(const char *text, size_t len)
{
    double value = 0;
    if (len == 0 || len > 15)
        return NAN;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return NAN;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

double diag_retry_after(const char *text, size_t len, int64_t now_ms)
{
    int64_t date_ms = diag_http_date(text, len);
    if (date_ms == 0)
        return diag_http_number(text, len);
    double seconds = (double)(date_ms - now_ms) / 1000.0;
    return seconds > 0 ? seconds : 0;
}
