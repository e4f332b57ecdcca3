/* aivo listen: prints events as they come. */
#include "conn.h"
#include "jsontext.h"
#include "report.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct listen_flags {
    int64_t count;
};

static const struct cli_flag listen_flags[] = {
    {"count", CLI_FLAG_NUMBER, offsetof(struct listen_flags, count), "N", "end after N events (default: never)", 1,
     INT32_MAX, NULL},
};

struct listen {
    struct cli_conn conn;
    struct listen_flags flags;
    int64_t printed;
};

/* {"time":...,"event":...,"args":[...]}: the arguments as they came, byte for byte. */
static char *event_line(const struct aivo_message *message, bool plain)
{
    char *args = cli_message_args(message, plain);
    cJSON *name = cJSON_CreateString(message->event ? message->event : "");
    char *quoted = name ? cJSON_PrintUnformatted(name) : NULL;
    char *event = quoted ? cli_json_line(quoted, strlen(quoted)) : NULL;
    char time[AIVO_RENDER_TIME_MAX];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    aivo_render_time((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, time);
    char *line = NULL;
    if (args && event && asprintf(&line, "{\"time\":\"%s\",\"event\":%s,\"args\":%s}", time, event, args) < 0) {
        line = NULL;
    }
    free(args);
    free(event);
    cJSON_free(quoted);
    cJSON_Delete(name);
    return line;
}

static void on_event(struct aivo_client *client, const struct aivo_message *message, void *user)
{
    (void)client;
    struct listen *listen = user;
    cli_conn_progress(&listen->conn);
    if (listen->flags.count > 0 && listen->printed >= listen->flags.count) {
        return;
    }
    listen->printed++;
    char *line = event_line(message, listen->conn.common->protocol == AIVO_PROTOCOL_WEBSOCKET);
    if (line) {
        cli_out_buffered(line);
    } else {
        cli_say(CLI_LOG_ERROR, "an event of %zu bytes cannot be printed: out of memory", message->args_len);
    }
    free(line);
}

static bool subscribe(struct listen *listen, const struct cli_words *words)
{
    if (words->count == 1) {
        return aivo_client_on(listen->conn.client, NULL, on_event, listen) == AIVO_OK;
    }
    for (size_t i = 1; i < words->count; i++) {
        enum aivo_status status = aivo_client_on(listen->conn.client, words->word[i], on_event, listen);
        if (status != AIVO_OK) {
            cli_say(CLI_LOG_ERROR, "event '%.60s': %s", words->word[i], aivo_strerror(status));
            return false;
        }
    }
    return true;
}

/* A listener waits for events as long as it is connected; --timeout counts only while it is not, unless events are
 * counted: then somebody waits for them. */
static bool is_over(struct listen *listen, unsigned wake)
{
    struct cli_conn *conn = &listen->conn;
    if ((wake & CLI_WAKE_TIMEOUT) && conn->connected && listen->flags.count == 0) {
        cli_conn_progress(conn);
        wake &= ~(unsigned)CLI_WAKE_TIMEOUT;
    }
    return (wake & (CLI_WAKE_INTERRUPT | CLI_WAKE_TIMEOUT)) || cli_out_failed() || cli_conn_gave_up(conn) ||
           (listen->flags.count > 0 && listen->printed >= listen->flags.count);
}

static int finish(const struct listen *listen, unsigned wake)
{
    bool enough = listen->flags.count > 0 && listen->printed >= listen->flags.count;
    cli_out_flush();
    cli_say(CLI_LOG_INFO, "%lld event%s", (long long)listen->printed, listen->printed == 1 ? "" : "s");
    if (enough) {
        return CLI_EXIT_OK;
    }
    if (!listen->conn.connected) {
        return cli_conn_failure(&listen->conn);
    }
    if (wake & CLI_WAKE_TIMEOUT) {
        cli_say(CLI_LOG_ERROR, "no event within %lld ms", (long long)listen->conn.common->timeout_ms);
        return CLI_EXIT_NO_CONNECTION;
    }
    return CLI_EXIT_OK;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct listen listen = {.printed = 0};
    struct cli_common common;
    struct cli_words words;
    cli_common_init(&common);
    int code = cli_command_parse(self, argc, argv, &listen.flags, &common, &words);
    char why[CLI_ERROR_MAX];
    for (size_t i = 1; code < 0 && i < words.count; i++) {
        if (!cli_event_check(words.word[i], why)) {
            code = cli_usage_error(self, "%s", why);
        }
    }
    struct aivo_options options;
    if (code < 0) {
        cli_conn_options(&common, &options);
        code = cli_conn_open(&listen.conn, &common, &options);
    }
    if (code >= 0) {
        return code;
    }
    if (!subscribe(&listen, &words)) {
        cli_conn_close(&listen.conn);
        return CLI_EXIT_USAGE;
    }
    cli_conn_start(&listen.conn);
    unsigned wake = 0;
    while (!is_over(&listen, wake)) {
        wake = cli_conn_wait(&listen.conn, -1, -1);
        cli_out_flush();
    }
    code = finish(&listen, wake);
    cli_conn_close(&listen.conn);
    return code;
}

const struct cli_command cli_listen = {
    .name = "listen",
    .usage = "URL [EVENT...] [--count N] [flags]",
    .summary = "print events as they come",
    .text =
        "Connects and prints every event, or those named, one JSON object a line:\n"
        "  {\"time\":\"2026-01-31T12:00:00.123Z\",\"event\":\"tutor:message\",\"args\":[...]}\n"
        "Binary data stands in its place as {\"_base64\":\"...\"}. Messages of a plain WebSocket come as event\n"
        "\"message\" with one argument, a string or {\"_base64\":\"...\"}. Events that ask for an acknowledgement get\n"
        "none. Goes on through outages; gives up when --timeout passes without a connection, or, with --count,\n"
        "without an event.\n"
        "\nexit: 0 ended while connected, 2 no connection (or too few events), 3 refused\n",
    .examples = "  aivo listen http://127.0.0.1:4003 --token-file token.jwt\n"
                "  aivo listen http://127.0.0.1:4003 tutor:message --count 1 --timeout 60000 | jq .args[0]\n"
                "  aivo listen ws://127.0.0.1:8080/feed --protocol websocket\n",
    .flags = listen_flags,
    .flag_count = 1,
    .connects = true,
    .run = run,
};
