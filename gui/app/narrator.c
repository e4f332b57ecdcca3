#include "narrator.h"
#include "describe.h"
#include <glib/gi18n.h>
#include <string.h>

static void connected(AivoConnection *connection, AivoLinkState from, gint64 since_ms)
{
    if (from != AIVO_LINK_RECONNECTING) {
        aivo_connection_log(connection, AIVO_EVENT_STATE, AIVO_TONE_GOOD, _("Connected"), NULL);
        return;
    }
    g_autofree char *span = aivo_describe_span(g_get_real_time() / 1000 - since_ms);
    g_autofree char *detail = g_strdup_printf(_("After %s without a connection"), span);
    aivo_connection_log(connection, AIVO_EVENT_STATE, AIVO_TONE_GOOD, _("Reconnected"), detail);
}

void aivo_narrate_state(AivoConnection *connection, AivoLinkState from, AivoLinkState to, const char *reason,
                        gint64 since_ms)
{
    switch (to) {
    case AIVO_LINK_CONNECTED:
        connected(connection, from, since_ms);
        break;
    case AIVO_LINK_RECONNECTING:
        aivo_connection_log(connection, AIVO_EVENT_DROP, AIVO_TONE_BAD,
                            from == AIVO_LINK_CONNECTED ? _("Connection lost") : _("Cannot connect"), reason);
        break;
    case AIVO_LINK_FAILED:
        aivo_connection_log(connection, AIVO_EVENT_DROP, AIVO_TONE_BAD, _("Given up"), reason);
        break;
    case AIVO_LINK_DISCONNECTED:
    case AIVO_LINK_CONNECTING:
    case AIVO_LINK_CLOSING:
    case AIVO_LINK_UNKNOWN:
        break;
    }
}

void aivo_narrate_level(AivoConnection *connection, enum aivo_level from, const struct aivo_quality *quality)
{
    enum aivo_level to = quality->level;
    if (to == from || to == AIVO_LEVEL_OFFLINE)
        return;
    AivoEventTone tone = to > from ? AIVO_TONE_GOOD : to >= AIVO_LEVEL_GOOD ? AIVO_TONE_NEUTRAL : AIVO_TONE_WARNING;
    if (to == AIVO_LEVEL_POOR)
        tone = AIVO_TONE_BAD;
    g_autofree char *title =
        from == AIVO_LEVEL_OFFLINE
            ? g_strdup_printf(_("Quality is %s"), aivo_describe_level(to))
            : g_strdup_printf(_("Quality went from %s to %s"), aivo_describe_level(from), aivo_describe_level(to));
    g_autofree char *causes = to < AIVO_LEVEL_EXCELLENT ? aivo_describe_causes(quality) : NULL;
    g_autofree char *latency = aivo_describe_ms(quality->avg_latency_ms);
    g_autofree char *detail = causes ? g_strdup_printf(_("%s on average; because of %s"), latency, causes)
                                     : g_strdup_printf(_("%s on average"), latency);
    aivo_connection_log(connection, AIVO_EVENT_LEVEL, tone, title, detail);
}

void aivo_narrate_notice(AivoConnection *connection, enum aivo_status status, const char *text)
{
    g_autofree char *title = aivo_describe_sentence(aivo_strerror(status)), *detail = aivo_describe_trouble(text);
    if (status == AIVO_E_STORE || status == AIVO_E_LOCKED || status == AIVO_E_CORRUPT)
        aivo_connection_trouble(connection, title, detail);
    else if (aivo_connection_get_state(connection) == AIVO_LINK_RECONNECTING)
        aivo_connection_log(connection, AIVO_EVENT_DROP, AIVO_TONE_WARNING, _("Another attempt failed"), detail);
    else
        aivo_connection_log(connection, AIVO_EVENT_NOTICE, AIVO_TONE_WARNING, title, detail);
}

void aivo_narrate_trouble(AivoConnection *connection, const char *text)
{
    const char *colon = strstr(text, ": ");
    g_autofree char *head = colon ? g_strndup(text, (gsize)(colon - text)) : NULL;
    g_autofree char *detail = aivo_describe_trouble(colon ? colon + 2 : text);
    aivo_connection_trouble(connection, head ? head : _("Something needs your attention"), detail);
}

void aivo_narrate_message(AivoConnection *connection, AivoMessageLoss loss, const char *event, const char *why)
{
    static const struct {
        const char *title;
        AivoEventTone tone;
    } says[] = {
        [AIVO_LOSS_OF_DEAD] = {N_("A message became a dead letter"), AIVO_TONE_BAD},
        [AIVO_LOSS_OF_EXPIRED] = {N_("A message expired"), AIVO_TONE_WARNING},
        [AIVO_LOSS_OF_EVICTED] = {N_("A message was evicted: the queue was full"), AIVO_TONE_WARNING},
    };
    g_autofree char *detail = why ? g_strdup_printf("%s: %s", event, why) : g_strdup(event);
    aivo_connection_log(connection, AIVO_EVENT_QUEUE, says[loss].tone, _(says[loss].title), detail);
}
