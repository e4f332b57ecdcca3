#include "driver_json.h"

#include <math.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *driver_string(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

double driver_number(const cJSON *object, const char *name, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

bool driver_bool(const cJSON *object, const char *name, bool otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

static void read_u32(const cJSON *object, const char *name, uint32_t *out)
{
    *out = (uint32_t)driver_number(object, name, *out);
}

static void read_tls(const cJSON *tls, struct aivo_tls_options *out)
{
    out->ca_file = driver_string(tls, "ca", out->ca_file);
    out->cert_file = driver_string(tls, "cert", out->cert_file);
    out->key_file = driver_string(tls, "key", out->key_file);
    out->pin = driver_string(tls, "pin", out->pin);
    out->insecure = driver_bool(tls, "insecure", out->insecure);
}

static void read_reconnect(const cJSON *reconnect, struct aivo_reconnect_options *out)
{
    out->enabled = driver_bool(reconnect, "enabled", out->enabled);
    read_u32(reconnect, "floorMs", &out->floor_ms);
    read_u32(reconnect, "baseMs", &out->base_ms);
    read_u32(reconnect, "capMs", &out->cap_ms);
    read_u32(reconnect, "maxAttempts", &out->max_attempts);
    read_u32(reconnect, "stableAfterMs", &out->stable_after_ms);
}

static void read_queue(const cJSON *queue, struct aivo_queue_options *out)
{
    out->path = driver_string(queue, "path", out->path);
    read_u32(queue, "maxMessages", &out->max_messages);
    read_u32(queue, "ttlS", &out->ttl_s);
    read_u32(queue, "maxRetries", &out->max_retries);
    read_u32(queue, "window", &out->window);
    read_u32(queue, "ackTimeoutMs", &out->ack_timeout_ms);
    read_u32(queue, "retryBaseMs", &out->retry_base_ms);
    read_u32(queue, "retryCapMs", &out->retry_cap_ms);
}

void driver_read_options(const cJSON *command, struct aivo_options *options)
{
    options->url = driver_string(command, "url", options->url);
    options->path = driver_string(command, "path", options->path);
    options->nsp = driver_string(command, "nsp", options->nsp);
    if (!strcmp(driver_string(command, "protocol", "socketio"), "websocket"))
        options->protocol = AIVO_PROTOCOL_WEBSOCKET;
    options->subprotocol = driver_string(command, "subprotocol", NULL);
    options->headers = driver_string(command, "headers", NULL);
    options->proxy = driver_string(command, "proxy", NULL);
    options->recovery = driver_bool(command, "recovery", options->recovery);
    read_u32(command, "authTimeoutMs", &options->auth_timeout_ms);
    read_u32(command, "connectTimeoutMs", &options->connect_timeout_ms);
    read_u32(command, "handshakeTimeoutMs", &options->handshake_timeout_ms);
    options->max_payload_bytes = (uint64_t)driver_number(command, "maxPayload", (double)options->max_payload_bytes);
    options->max_send_buffer_bytes =
        (uint64_t)driver_number(command, "maxSendBuffer", (double)options->max_send_buffer_bytes);
    read_tls(cJSON_GetObjectItemCaseSensitive(command, "tls"), &options->tls);
    read_reconnect(cJSON_GetObjectItemCaseSensitive(command, "reconnect"), &options->reconnect);
    read_queue(cJSON_GetObjectItemCaseSensitive(command, "queue"), &options->queue);
    const cJSON *quality = cJSON_GetObjectItemCaseSensitive(command, "quality");
    options->quality.enabled = driver_bool(quality, "enabled", options->quality.enabled);
    options->quality.quality_ping = driver_bool(quality, "qualityPing", options->quality.quality_ping);
    read_u32(quality, "intervalMs", &options->quality.interval_ms);
    read_u32(quality, "timeoutMs", &options->quality.timeout_ms);
}

void driver_read_attachments(const cJSON *command, struct driver_attachments *out)
{
    const cJSON *item;
    memset(out, 0, sizeof *out);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(command, "attachments"))
    {
        if (!cJSON_IsString(item) || out->count == DRIVER_MAX_ATTACHMENTS)
            continue;
        size_t len = strlen(item->valuestring);
        unsigned char *data = malloc(len + 1);
        if (!data)
            abort();
        int decoded = EVP_DecodeBlock(data, (const unsigned char *)item->valuestring, (int)len);
        size_t padding = 0;
        while (padding < 2 && padding < len && item->valuestring[len - 1 - padding] == '=')
            padding++;
        out->list[out->count].data = data;
        out->list[out->count++].len = decoded > 0 ? (size_t)decoded - padding : 0;
    }
}

void driver_free_attachments(struct driver_attachments *attachments)
{
    for (size_t i = 0; i < attachments->count; i++)
        free((void *)(uintptr_t)attachments->list[i].data);
    attachments->count = 0;
}

void driver_add_text(cJSON *object, const char *name, const char *text)
{
    if (text)
        cJSON_AddStringToObject(object, name, text);
}

static void add_base64(cJSON *array, const struct aivo_attachment *attachment)
{
    char *text = malloc(attachment->len / 3 * 4 + 8);
    if (!text)
        abort();
    EVP_EncodeBlock((unsigned char *)text, attachment->data, (int)attachment->len);
    cJSON_AddItemToArray(array, cJSON_CreateString(attachment->len ? text : ""));
    free(text);
}

void driver_add_message(cJSON *object, const struct aivo_message *message)
{
    if (!message)
        return;
    if (message->event)
        cJSON_AddStringToObject(object, "event", message->event);
    if (message->args && strlen(message->args) != message->args_len)
        cJSON_AddBoolToObject(object, "lengthDiffers", true);
    driver_add_text(object, "args", message->args);
    cJSON *attachments = cJSON_AddArrayToObject(object, "attachments");
    for (size_t i = 0; i < message->attachment_count; i++)
        add_base64(attachments, &message->attachments[i]);
    if (message->wants_ack)
        cJSON_AddNumberToObject(object, "ackId", (double)message->ack_id);
    cJSON_AddBoolToObject(object, "recovered", message->recovered);
}

void driver_add_error(cJSON *object, const char *name, const struct aivo_error *error)
{
    if (!error || error->status == AIVO_OK)
        return;
    cJSON *e = cJSON_AddObjectToObject(object, name);
    cJSON_AddStringToObject(e, "status", aivo_status_name(error->status));
    cJSON_AddNumberToObject(e, "code", error->code);
    cJSON_AddStringToObject(e, "message", error->message);
}

static void add_figure(cJSON *object, const char *name, double value)
{
    if (isnan(value))
        cJSON_AddNullToObject(object, name);
    else
        cJSON_AddNumberToObject(object, name, value);
}

void driver_add_quality(cJSON *object, const struct aivo_quality *q)
{
    cJSON_AddStringToObject(object, "level", aivo_level_name(q->level));
    cJSON_AddNumberToObject(object, "score", q->score);
    add_figure(object, "latencyMs", q->latency_ms);
    add_figure(object, "avgMs", q->avg_latency_ms);
    add_figure(object, "minMs", q->min_latency_ms);
    add_figure(object, "lossPct", q->loss_pct);
    add_figure(object, "handlerMs", q->handler_ms);
    cJSON_AddNumberToObject(object, "samples", (double)q->samples);
    cJSON_AddNumberToObject(object, "lost", (double)q->lost);
    cJSON_AddNumberToObject(object, "reconnects", (double)q->reconnects);
}

void driver_print(cJSON *object)
{
    static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
    char *line = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    if (!line)
        abort();
    pthread_mutex_lock(&output);
    fputs(line, stdout);
    fputc('\n', stdout);
    fflush(stdout);
    pthread_mutex_unlock(&output);
    free(line);
}
