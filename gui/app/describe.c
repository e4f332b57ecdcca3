#include "describe.h"
#include "json.h"
#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

const char *aivo_describe_level(enum aivo_level level)
{
    switch (level) {
    case AIVO_LEVEL_EXCELLENT:
        return _("Excellent");
    case AIVO_LEVEL_GOOD:
        return _("Good");
    case AIVO_LEVEL_FAIR:
        return _("Fair");
    case AIVO_LEVEL_POOR:
        return _("Poor");
    case AIVO_LEVEL_OFFLINE:
        break;
    }
    return _("Offline");
}

const char *aivo_describe_cause(enum aivo_cause cause)
{
    switch (cause) {
    case AIVO_CAUSE_NETWORK_LATENCY:
        return _("a slow network");
    case AIVO_CAUSE_UPLINK_LOSS:
        return _("packets lost on the way to the server");
    case AIVO_CAUSE_DOWNLINK_LOSS:
        return _("packets lost on the way back");
    case AIVO_CAUSE_LOSS:
        return _("lost packets");
    case AIVO_CAUSE_JITTER:
        return _("uneven delays");
    case AIVO_CAUSE_EDGE:
        return _("a proxy or a busy server in between");
    case AIVO_CAUSE_SERVER_HANDLER:
        return _("slow answers of the server’s application");
    case AIVO_CAUSE_LOCAL_STALL:
        return _("this computer being busy");
    case AIVO_CAUSE_DEAD:
        break;
    }
    return _("nothing coming through");
}

char *aivo_describe_ms(double ms)
{
    if (!isfinite(ms))
        return g_strdup("–");
    if (ms >= 9999.5)
        return g_strdup_printf(_("%.1f s"), ms / 1000);
    if (ms >= 9.95)
        return g_strdup_printf(_("%.0f ms"), ms);
    return g_strdup_printf(_("%.1f ms"), ms);
}

char *aivo_describe_span(gint64 ms)
{
    gint64 s = MAX(ms, 0) / 1000, min = s / 60, h = min / 60;
    if (s < 60)
        return g_strdup_printf(_("%d s"), (int)s);
    if (min < 60)
        return g_strdup_printf(_("%d min"), (int)min);
    if (h < 24)
        return min % 60 ? g_strdup_printf(_("%d h %d min"), (int)h, (int)(min % 60))
                        : g_strdup_printf(_("%d h"), (int)h);
    int days = (int)MIN(h / 24, G_MAXINT);
    return g_strdup_printf(g_dngettext(NULL, "%d day", "%d days", (gulong)days), days);
}

char *aivo_describe_time(gint64 time_ms)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(time_ms / 1000);
    if (!time)
        return g_strdup("–");
    gboolean today = g_date_time_get_year(now) == g_date_time_get_year(time) &&
                     g_date_time_get_day_of_year(now) == g_date_time_get_day_of_year(time);
    /* Translators: a time of day; with seconds, as events may follow one another quickly. */
    return g_date_time_format(time, today ? _("%H:%M:%S") : _("%e %b %H:%M:%S"));
}

char *aivo_describe_causes(const struct aivo_quality *quality)
{
    GString *out = NULL;
    for (size_t i = 0; quality && i < quality->cause_count && i < AIVO_QUALITY_CAUSES; i++) {
        const struct aivo_quality_cause *cause = &quality->causes[i];
        gboolean free_of_cost = cause->cause == AIVO_CAUSE_SERVER_HANDLER || cause->cause == AIVO_CAUSE_LOCAL_STALL;
        if (cause->points < 1 && !free_of_cost)
            continue;
        if (!out)
            out = g_string_new(NULL);
        else
            g_string_append(out, ", ");
        g_string_append(out, aivo_describe_cause(cause->cause));
    }
    return out ? g_string_free(out, FALSE) : NULL;
}

char *aivo_describe_sentence(const char *text)
{
    /* Not where a name, an address or a file begins it. */
    size_t word = text ? strspn(text, "abcdefghijklmnopqrstuvwxyz'") : 0;
    char *sentence = g_strdup(text);
    if (word && strchr(" ,;", text[word]))
        sentence[0] = g_ascii_toupper(sentence[0]);
    return sentence;
}

char *aivo_describe_trouble(const char *text)
{
    static const char *const full[] = {"disk full", "disk is full", "No space left", "quota exceeded"};
    for (size_t i = 0; i < G_N_ELEMENTS(full); i++)
        if (strstr(text, full[i]))
            return g_strdup(_("The disk is full. Make room on it, then start Aivo Monitor again."));
    return aivo_describe_sentence(text);
}

char *aivo_describe_bytes(guint64 bytes)
{
    return g_format_size(bytes);
}

char *aivo_describe_args_problem(const char *text)
{
    size_t len = strlen(text), at = 0;
    struct aivo_json args = aivo_json_parse(text, len, &at);
    if (args.type == AIVO_JSON_ARRAY)
        return NULL;
    if (args.type != AIVO_JSON_NONE)
        return g_strdup(_("Arguments are a JSON array: […]"));
    if (at >= len)
        return g_strdup(_("This is no JSON: it ends too early"));
    /* People count characters, from one; what may stand there is no whole one. */
    g_autofree char *before = g_utf8_make_valid(text, (gssize)at);
    return g_strdup_printf(_("This is no JSON from character %ld on"), g_utf8_strlen(before, -1) + 1);
}
