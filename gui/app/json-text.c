#include "json-text.h"
#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#define DEPTH_MAX 64

void aivo_json_append_string(GString *out, const char *text)
{
    if (!text) {
        g_string_append(out, "null");
        return;
    }
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_string_append_c(out, '"');
    for (const char *p = valid; *p; p++) {
        if (*p == '"' || *p == '\\')
            g_string_append_printf(out, "\\%c", *p);
        else if (*p == '\n')
            g_string_append(out, "\\n");
        else if ((unsigned char)*p < 0x20)
            g_string_append_printf(out, "\\u%04x", *p);
        else
            g_string_append_c(out, *p);
    }
    g_string_append_c(out, '"');
}

void aivo_json_append_number(GString *out, double number, int decimals)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE], format[8];
    if (!isfinite(number)) {
        g_string_append(out, "null");
        return;
    }
    g_snprintf(format, sizeof format, "%%.%df", CLAMP(decimals, 0, 9));
    g_string_append(out, g_ascii_formatd(text, sizeof text, format, number));
}

void aivo_json_append_time(GString *out, gint64 time_ms)
{
    g_autoptr(GDateTime) time = time_ms ? g_date_time_new_from_unix_utc(time_ms / 1000) : NULL;
    if (!time) {
        g_string_append(out, "null");
        return;
    }
    g_autofree char *text = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
    g_string_append_printf(out, "\"%s.%03dZ\"", text, (int)(time_ms % 1000));
}

/* ------------------------------------------------------------------ check */

static gboolean value(const char **p, int depth);

static void space(const char **p)
{
    while (**p && strchr(" \t\r\n", **p))
        ++*p;
}

static gboolean string(const char **p)
{
    for (++*p; **p && **p != '"'; ++*p) {
        if ((unsigned char)**p < 0x20)
            return FALSE;
        if (**p != '\\')
            continue;
        ++*p;
        if (!**p || !strchr("\"\\/bfnrtu", **p))
            return FALSE;
        for (int i = 0; **p == 'u' && i < 4; i++)
            if (!g_ascii_isxdigit((*p)[1 + i]))
                return FALSE;
    }
    if (**p != '"')
        return FALSE;
    ++*p;
    return TRUE;
}

static gboolean digits(const char **p)
{
    const char *begin = *p;
    while (g_ascii_isdigit(**p))
        ++*p;
    return *p > begin;
}

static gboolean number(const char **p)
{
    if (**p == '-')
        ++*p;
    if (**p == '0')
        ++*p;
    else if (!digits(p))
        return FALSE;
    if (**p == '.') {
        ++*p;
        if (!digits(p))
            return FALSE;
    }
    if (**p == 'e' || **p == 'E') {
        ++*p;
        if (**p == '+' || **p == '-')
            ++*p;
        return digits(p);
    }
    return TRUE;
}

/* An array or an object, from its bracket on. */
static gboolean list(const char **p, char end, int depth)
{
    ++*p;
    space(p);
    if (**p == end) {
        ++*p;
        return TRUE;
    }
    for (;;) {
        space(p);
        if (end == '}') {
            if (**p != '"' || !string(p))
                return FALSE;
            space(p);
            if (*(*p)++ != ':')
                return FALSE;
        }
        if (!value(p, depth + 1))
            return FALSE;
        space(p);
        if (**p == end) {
            ++*p;
            return TRUE;
        }
        if (**p != ',')
            return FALSE;
        ++*p;
    }
}

static gboolean word(const char **p, const char *text)
{
    if (!g_str_has_prefix(*p, text))
        return FALSE;
    *p += strlen(text);
    return TRUE;
}

static gboolean value(const char **p, int depth)
{
    space(p);
    if (depth > DEPTH_MAX)
        return FALSE;
    switch (**p) {
    case '[':
        return list(p, ']', depth);
    case '{':
        return list(p, '}', depth);
    case '"':
        return string(p);
    case 't':
        return word(p, "true");
    case 'f':
        return word(p, "false");
    case 'n':
        return word(p, "null");
    default:
        return number(p);
    }
}

gboolean aivo_json_is_array(const char *text, const char **problem)
{
    const char *p = text, *why = NULL;
    space(&p);
    if (*p != '[')
        why = _("Arguments are a JSON array: […]");
    else if (!g_utf8_validate(text, -1, NULL) || !value(&p, 0))
        why = _("This is no JSON");
    space(&p);
    if (!why && *p)
        why = _("Something follows the array");
    if (problem)
        *problem = why;
    return !why;
}
