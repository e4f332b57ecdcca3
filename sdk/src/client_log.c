/* What a client says of its doings to whoever asked for it. */
#include "client_internal.h"

#include "packet_text.h"
#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 512

void aivo_client_on_log(struct aivo_client *c, enum aivo_log_level most, aivo_log_fn fn, void *user)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->log_fn = fn;
    c->log_user = user;
    pthread_mutex_unlock(&c->lock);
    atomic_store(&c->log_most, fn ? (int)most : AIVO_LOG_NOTHING);
}

const char *aivo_log_level_name(enum aivo_log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    return (unsigned)level < sizeof names / sizeof *names ? names[level] : "unknown";
}

bool aivo_client_logs(struct aivo_client *c, enum aivo_log_level level)
{
    return (int)level <= atomic_load_explicit(&c->log_most, memory_order_relaxed);
}

void aivo_client_log(struct aivo_client *c, enum aivo_log_level level, const char *format, ...)
{
    if (!aivo_client_logs(c, level) || c->tearing_down)
        return;
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_mutex_lock(&c->lock);
    aivo_log_fn fn = c->log_fn;
    void *user = c->log_user;
    pthread_mutex_unlock(&c->lock);
    if (fn)
        fn(c, level, line, user);
}

void aivo_client_log_frame(struct aivo_client *c, const char *direction, const char *frame, size_t len, bool binary)
{
    if (!aivo_client_logs(c, AIVO_LOG_DEBUG))
        return;
    char text[AIVO_PACKET_TEXT_MAX];
    if (c->settings.options.protocol == AIVO_PROTOCOL_SOCKETIO)
        aivo_packet_text(frame, len, binary, text);
    else
        snprintf(text, sizeof text, "%s message, %zu bytes", binary ? "binary" : "text", len);
    aivo_client_log(c, AIVO_LOG_DEBUG, "%s %s", direction, text);
}

void aivo_client_log_state(struct aivo_client *c, const struct aivo_action *a)
{
    bool failed = a->error.status != AIVO_OK;
    aivo_client_log(c,
                    a->to == AIVO_STATE_FAILED ? AIVO_LOG_ERROR
                    : failed                   ? AIVO_LOG_WARN
                                               : AIVO_LOG_INFO,
                    "%s -> %s%s%s%s", aivo_state_name(a->from), aivo_state_name(a->to),
                    a->recovered ? ", the session was resumed" : "", failed ? ": " : "",
                    failed ? a->error.message : "");
}
