/*
 * Does with one client what it is told: a command a line on standard input, {"cmd":NAME,"id":N,...}; answers
 * {"re":N,"status":...} and what happens meanwhile {"ev":NAME,...}, a line each, on standard output.
 * Ends at the end of its input, or upon "quit".
 */
#include "driver_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a command works on. Only the main thread changes it; callbacks get what they need as their user pointer. */
struct driver {
    struct aivo_client *client;
    cJSON *answer; /* of the command at hand */
    bool quit;
};

static cJSON *event(const char *name)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "ev", name);
    return object;
}

/* ---------------------------------------------------------------- callbacks */

static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                     const struct aivo_error *error, void *user)
{
    (void)client, (void)user;
    cJSON *object = event("state");
    cJSON_AddStringToObject(object, "from", aivo_state_name(from));
    cJSON_AddStringToObject(object, "to", aivo_state_name(to));
    driver_add_error(object, "error", error);
    driver_print(object);
}

static void on_auth(struct aivo_client *client, enum aivo_auth_reason reason, void *user)
{
    static const char *const names[] = {"first", "reconnect", "refused"};
    (void)client, (void)user;
    cJSON *object = event("auth");
    cJSON_AddStringToObject(object, "reason", names[reason]);
    driver_print(object);
}

/* user is the answer to give to events that want one, see command_on(); NULL: none. */
static void on_event(struct aivo_client *client, const struct aivo_message *message, void *user)
{
    const char *answer = user;
    cJSON *object = event("event");
    driver_add_message(object, message);
    if (message->wants_ack && answer) {
        bool echo = !strcmp(answer, "echo");
        enum aivo_status status =
            aivo_client_ack(client, message->ack_id, echo ? message->args : answer, echo ? message->attachments : NULL,
                            echo ? message->attachment_count : 0);
        cJSON_AddStringToObject(object, "answered", aivo_status_name(status));
    }
    driver_print(object);
}

static void on_any(struct aivo_client *client, const struct aivo_message *message, void *user)
{
    (void)client, (void)user;
    cJSON *object = event("any");
    driver_add_message(object, message);
    driver_print(object);
}

static void on_ack(struct aivo_client *client, enum aivo_status status, const struct aivo_message *message, void *user)
{
    (void)client;
    cJSON *object = event("ack");
    cJSON_AddNumberToObject(object, "id", (double)(uintptr_t)user);
    cJSON_AddStringToObject(object, "status", aivo_status_name(status));
    driver_add_message(object, message);
    driver_print(object);
}

static void on_fate(struct aivo_client *client, const struct aivo_queued *message, enum aivo_fate fate,
                    const char *answer, void *user)
{
    (void)client, (void)user;
    cJSON *object = event("fate");
    cJSON_AddStringToObject(object, "fate", aivo_fate_name(fate));
    cJSON_AddStringToObject(object, "id", message->id.text);
    cJSON_AddStringToObject(object, "event", message->event);
    driver_add_text(object, "args", message->args);
    cJSON_AddNumberToObject(object, "attempts", message->attempts);
    if (message->last_error)
        cJSON_AddStringToObject(object, "lastError", message->last_error);
    driver_add_text(object, "answer", answer);
    driver_print(object);
}

static void on_notice(struct aivo_client *client, const struct aivo_error *error, void *user)
{
    (void)client, (void)user;
    cJSON *object = event("notice");
    driver_add_error(object, "error", error);
    driver_print(object);
}

static void print_quality(const char *name, const struct aivo_quality *quality)
{
    cJSON *object = event(name);
    driver_add_quality(object, quality);
    driver_print(object);
}

static void on_sample(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client, (void)user;
    print_quality("sample", quality);
}

static void on_level(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client, (void)user;
    print_quality("level", quality);
}

/* ----------------------------------------------------------------- commands */

static enum aivo_status command_create(struct driver *d, const cJSON *command)
{
    struct aivo_options options;
    struct aivo_error error = {0};
    aivo_options_init(&options);
    options.quality.enabled = false;
    driver_read_options(command, &options);
    options.auth = driver_string(command, "auth", NULL);
    if (driver_bool(command, "authCallback", false))
        options.auth_fn = on_auth;
    enum aivo_status status = aivo_client_create(&options, &d->client, &error);
    driver_add_error(d->answer, "error", &error);
    if (status != AIVO_OK)
        return status;
    aivo_client_on_state(d->client, on_state, NULL);
    aivo_client_on_fate(d->client, on_fate, NULL);
    aivo_client_on_notice(d->client, on_notice, NULL);
    if (options.quality.enabled)
        aivo_client_on_quality(d->client, on_sample, on_level, NULL);
    return AIVO_OK;
}

static enum aivo_status command_start(struct driver *d, const cJSON *command)
{
    (void)command;
    return aivo_client_start(d->client);
}

static enum aivo_status command_stop(struct driver *d, const cJSON *command)
{
    (void)command;
    return aivo_client_stop(d->client);
}

static enum aivo_status command_destroy(struct driver *d, const cJSON *command)
{
    (void)command;
    aivo_client_destroy(d->client);
    d->client = NULL;
    return AIVO_OK;
}

static enum aivo_status command_retry(struct driver *d, const cJSON *command)
{
    (void)command;
    aivo_client_retry_now(d->client);
    return AIVO_OK;
}

static enum aivo_status command_state(struct driver *d, const cJSON *command)
{
    char sid[64];
    struct aivo_error error;
    (void)command;
    aivo_client_sid(d->client, sid, sizeof sid);
    aivo_client_last_error(d->client, &error);
    cJSON_AddStringToObject(d->answer, "state", aivo_state_name(aivo_client_state(d->client)));
    cJSON_AddStringToObject(d->answer, "sid", sid);
    driver_add_error(d->answer, "lastError", &error);
    return AIVO_OK;
}

static enum aivo_status command_quality(struct driver *d, const cJSON *command)
{
    struct aivo_quality quality;
    (void)command;
    aivo_client_quality(d->client, &quality);
    driver_add_quality(d->answer, &quality);
    return AIVO_OK;
}

static enum aivo_status command_stats(struct driver *d, const cJSON *command)
{
    struct aivo_queue_stats stats;
    (void)command;
    enum aivo_status status = aivo_client_queue_stats(d->client, &stats);
    if (status == AIVO_OK) {
        cJSON_AddNumberToObject(d->answer, "pending", (double)stats.pending);
        cJSON_AddNumberToObject(d->answer, "inFlight", (double)stats.in_flight);
        cJSON_AddNumberToObject(d->answer, "dead", (double)stats.dead);
    }
    return status;
}

/* "answer" is an array's text to acknowledge with, or "echo" for the arguments themselves; it lives as long as the
 * process. */
static enum aivo_status command_on(struct driver *d, const cJSON *command)
{
    const char *name = driver_string(command, "event", NULL);
    if (driver_bool(command, "off", false))
        return aivo_client_on(d->client, name, NULL, NULL);
    if (!name)
        return aivo_client_on(d->client, NULL, on_any, NULL);
    const char *text = driver_string(command, "answer", NULL);
    char *answer = text ? strdup(text) : NULL;
    static char *kept[64];
    static size_t kept_count;
    if (answer && kept_count < sizeof kept / sizeof *kept)
        kept[kept_count++] = answer;
    return aivo_client_on(d->client, name, on_event, answer);
}

static enum aivo_status command_emit(struct driver *d, const cJSON *command)
{
    struct aivo_emit how;
    struct driver_attachments attachments;
    const char *args = driver_string(command, "args", NULL);
    driver_read_attachments(command, &attachments);
    aivo_emit_init(&how);
    how.attachments = attachments.list;
    how.attachment_count = attachments.count;
    how.is_volatile = driver_bool(command, "volatile", false);
    how.ack_timeout_ms = (uint32_t)driver_number(command, "timeoutMs", how.ack_timeout_ms);
    if (driver_bool(command, "ack", false)) {
        how.ack = on_ack;
        how.user = (void *)(uintptr_t)driver_number(command, "id", 0);
    }
    enum aivo_status status = aivo_client_emit(d->client, driver_string(command, "event", ""), args, &how);
    driver_free_attachments(&attachments);
    return status;
}

static enum aivo_status command_ack(struct driver *d, const cJSON *command)
{
    struct driver_attachments attachments;
    const char *args = driver_string(command, "args", NULL);
    driver_read_attachments(command, &attachments);
    enum aivo_status status = aivo_client_ack(d->client, (uint64_t)driver_number(command, "ackId", 0), args,
                                              attachments.list, attachments.count);
    driver_free_attachments(&attachments);
    return status;
}

static enum aivo_status command_auth(struct driver *d, const cJSON *command)
{
    return aivo_client_auth(d->client, driver_string(command, "payload", NULL));
}

static enum aivo_status command_send(struct driver *d, const cJSON *command)
{
    struct aivo_message_id id = {{0}};
    struct aivo_error error = {0};
    const char *args = driver_string(command, "args", NULL);
    enum aivo_status status = aivo_client_send(d->client, driver_string(command, "event", ""), args, &id, &error);
    if (status == AIVO_OK)
        cJSON_AddStringToObject(d->answer, "messageId", id.text);
    driver_add_error(d->answer, "error", &error);
    return status;
}

/* Sends "count" messages [{"action":...,"n":I}], I from "from", and prints each once it was accepted. */
static enum aivo_status command_send_many(struct driver *d, const cJSON *command)
{
    int from = (int)driver_number(command, "from", 0);
    int count = (int)driver_number(command, "count", 0);
    const char *name = driver_string(command, "event", "");
    for (int n = from; n < from + count; n++) {
        char args[128];
        struct aivo_message_id id;
        struct aivo_error error = {0};
        snprintf(args, sizeof args, "[{\"action\":\"start_session\",\"n\":%d}]", n);
        enum aivo_status status = aivo_client_send(d->client, name, args, &id, &error);
        if (status != AIVO_OK) {
            driver_add_error(d->answer, "error", &error);
            return status;
        }
        cJSON *object = event("accepted");
        cJSON_AddNumberToObject(object, "n", n);
        cJSON_AddStringToObject(object, "id", id.text);
        driver_print(object);
    }
    return AIVO_OK;
}

static enum aivo_status command_raw(struct driver *d, const cJSON *command)
{
    const char *text = driver_string(command, "text", NULL);
    if (text)
        return aivo_client_send_raw(d->client, text, strlen(text), false);
    struct driver_attachments attachments;
    driver_read_attachments(command, &attachments);
    enum aivo_status status =
        attachments.count ? aivo_client_send_raw(d->client, attachments.list[0].data, attachments.list[0].len, true)
                          : AIVO_E_INVALID;
    driver_free_attachments(&attachments);
    return status;
}

static enum aivo_status command_quit(struct driver *d, const cJSON *command)
{
    (void)command;
    d->quit = true;
    return AIVO_OK;
}

static const struct {
    const char *name;
    enum aivo_status (*run)(struct driver *d, const cJSON *command);
    bool needs_client;
} commands[] = {
    {"create", command_create, false},  {"start", command_start, true},
    {"stop", command_stop, true},       {"destroy", command_destroy, true},
    {"retry", command_retry, true},     {"state", command_state, true},
    {"quality", command_quality, true}, {"stats", command_stats, true},
    {"on", command_on, true},           {"emit", command_emit, true},
    {"ack", command_ack, true},         {"auth", command_auth, true},
    {"send", command_send, true},       {"sendMany", command_send_many, true},
    {"raw", command_raw, true},         {"quit", command_quit, false},
};

static void run(struct driver *d, const cJSON *command)
{
    const char *name = driver_string(command, "cmd", "");
    enum aivo_status status = AIVO_E_NOT_FOUND;
    d->answer = cJSON_CreateObject();
    cJSON_AddNumberToObject(d->answer, "re", driver_number(command, "id", 0));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name))
            continue;
        status = commands[i].needs_client && !d->client ? AIVO_E_STATE : commands[i].run(d, command);
    }
    cJSON_AddStringToObject(d->answer, "status", aivo_status_name(status));
    driver_print(d->answer);
}

int main(void)
{
    struct driver d = {0};
    char *line = NULL;
    size_t capacity = 0;
    while (!d.quit && getline(&line, &capacity, stdin) > 0) {
        cJSON *command = cJSON_Parse(line);
        if (command)
            run(&d, command);
        cJSON_Delete(command);
    }
    free(line);
    aivo_client_destroy(d.client);
    return 0;
}
