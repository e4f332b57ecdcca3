/*
 * Runs one diagnosis and prints what it found: a JSON line for each stage as it ends, then one for the whole.
 *     aivo_e2e_diagnose URL [NAME=VALUE...]
 * Exits with the verdict's code; 64 if it cannot be made. SIGINT cancels it.
 */
#include <aivo/aivo.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct aivo_diagnosis *diagnosis;

static void on_signal(int number)
{
    (void)number;
    aivo_diagnose_cancel(diagnosis);
}

static void add_number(cJSON *object, const char *key, double number)
{
    cJSON_AddItemToObject(object, key, isfinite(number) ? cJSON_CreateNumber(number) : cJSON_CreateNull());
}

static void add_fact(cJSON *facts, const struct aivo_diagnose_fact *f)
{
    cJSON *at = facts;
    if (f->list) {
        cJSON *list = cJSON_GetObjectItem(facts, f->list);
        if (!list)
            list = cJSON_AddArrayToObject(facts, f->list);
        while (cJSON_GetArraySize(list) <= (int)f->item)
            cJSON_AddItemToArray(list, cJSON_CreateObject());
        at = cJSON_GetArrayItem(list, (int)f->item);
    }
    if (f->type == AIVO_DIAGNOSE_TEXT)
        cJSON_AddStringToObject(at, f->key, f->text);
    else if (f->type == AIVO_DIAGNOSE_NUMBER)
        add_number(at, f->key, f->number);
    else
        cJSON_AddBoolToObject(at, f->key, f->truth);
}

static void print(cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    printf("%s\n", text);
    fflush(stdout);
    free(text);
    cJSON_Delete(object);
}

static void on_begin(enum aivo_diagnose_stage stage, void *user)
{
    (void)user;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "begin", aivo_diagnose_stage_name(stage));
    print(o);
}

static void on_end(const struct aivo_diagnose_result *r, void *user)
{
    (void)user;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "end", aivo_diagnose_stage_name(r->stage));
    cJSON_AddStringToObject(o, "status", aivo_diagnose_status_name(r->status));
    cJSON_AddStringToObject(o, "code", r->code);
    cJSON_AddStringToObject(o, "reason", r->reason);
    cJSON_AddStringToObject(o, "fix", r->fix);
    add_number(o, "start_ms", r->start_ms);
    add_number(o, "time_ms", r->time_ms);
    cJSON *findings = cJSON_AddArrayToObject(o, "findings");
    for (size_t i = 0; i < r->finding_count; i++)
        cJSON_AddItemToArray(findings, cJSON_CreateString(r->findings[i].code));
    cJSON *facts = cJSON_AddObjectToObject(o, "facts"), *unexplained = cJSON_AddArrayToObject(o, "unexplained");
    for (size_t i = 0; i < r->fact_count; i++) {
        const struct aivo_diagnose_fact *f = &r->facts[i];
        add_fact(facts, f);
        if (!*aivo_diagnose_fact_explain(r->stage, f->list, f->key))
            cJSON_AddItemToArray(unexplained, cJSON_CreateString(f->key));
    }
    print(o);
}

static void print_report(const struct aivo_diagnose_report *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "verdict", aivo_diagnose_verdict_name(r->verdict));
    cJSON_AddNumberToObject(o, "exit_code", r->exit_code);
    cJSON_AddStringToObject(o, "url", r->url);
    cJSON_AddStringToObject(o, "summary", r->summary);
    cJSON_AddStringToObject(o, "fix", r->fix);
    if (r->culprit >= 0)
        cJSON_AddStringToObject(o, "culprit", aivo_diagnose_stage_name(r->stages[r->culprit].stage));
    cJSON_AddBoolToObject(o, "cancelled", r->cancelled);
    add_number(o, "duration_ms", r->duration_ms);
    print(o);
}

struct setting {
    const char *name;
    enum { TEXT, NUMBER, REAL, FLAG } type;
    void *at;
};

static bool set(const struct setting *settings, size_t count, char *argument)
{
    char *equals = strchr(argument, '=');
    size_t len = equals ? (size_t)(equals - argument) : 0;
    for (size_t i = 0; equals && i < count; i++) {
        if (strlen(settings[i].name) != len || memcmp(settings[i].name, argument, len) != 0)
            continue;
        if (settings[i].type == TEXT)
            *(const char **)settings[i].at = equals + 1;
        else if (settings[i].type == NUMBER)
            *(uint32_t *)settings[i].at = (uint32_t)strtoul(equals + 1, NULL, 10);
        else if (settings[i].type == REAL)
            *(double *)settings[i].at = strtod(equals + 1, NULL);
        else
            *(bool *)settings[i].at = strcmp(equals + 1, "true") == 0;
        return true;
    }
    fprintf(stderr, "no such setting: %s\n", argument);
    return false;
}

int main(int argc, char **argv)
{
    struct aivo_options target;
    struct aivo_diagnose_options how;
    aivo_options_init(&target);
    aivo_diagnose_options_init(&how);
    bool websocket = false;
    const struct setting settings[] = {
        {"auth", TEXT, &target.auth},
        {"nsp", TEXT, &target.nsp},
        {"path", TEXT, &target.path},
        {"proxy", TEXT, &target.proxy},
        {"headers", TEXT, &target.headers},
        {"subprotocol", TEXT, &target.subprotocol},
        {"ca", TEXT, &target.tls.ca_file},
        {"cert", TEXT, &target.tls.cert_file},
        {"key", TEXT, &target.tls.key_file},
        {"pin", TEXT, &target.tls.pin},
        {"insecure", FLAG, &target.tls.insecure},
        {"websocket", FLAG, &websocket},
        {"origin", TEXT, &how.origin},
        {"count", NUMBER, &how.count},
        {"interval", NUMBER, &how.interval_ms},
        {"until_confident", FLAG, &how.until_confident},
        {"confidence_pct", REAL, &how.confidence_pct},
        {"confident_ms", NUMBER, &how.confident_ms},
        {"stage_timeout", NUMBER, &how.stage_timeout_ms},
        {"total_timeout", NUMBER, &how.total_timeout_ms},
        {"polling", FLAG, &how.polling},
        {"sticky", NUMBER, &how.sticky_requests},
        {"throughput", FLAG, &how.throughput},
        {"throughput_event", TEXT, &how.throughput_event},
        {"throughput_bytes", NUMBER, &how.throughput_bytes},
        {"rate_limit", FLAG, &how.rate_limit},
        {"rate_messages", NUMBER, &how.rate_messages},
        {"rate_event", TEXT, &how.rate_event},
        {"warn_days", REAL, &how.warn_days},
    };
    for (int i = 2; i < argc; i++)
        if (!set(settings, sizeof settings / sizeof *settings, argv[i]))
            return 64;
    target.url = argc > 1 ? argv[1] : NULL;
    target.protocol = websocket ? AIVO_PROTOCOL_WEBSOCKET : AIVO_PROTOCOL_SOCKETIO;
    how.on_begin = on_begin;
    how.on_end = on_end;
    struct aivo_error err;
    if (aivo_diagnose_create(&target, &how, &diagnosis, &err) != AIVO_OK) {
        fprintf(stderr, "%s: %s\n", aivo_status_name(err.status), err.message);
        return 64;
    }
    signal(SIGINT, on_signal);
    aivo_diagnose_run(diagnosis);
    const struct aivo_diagnose_report *report = aivo_diagnose_report(diagnosis);
    print_report(report);
    int code = report->exit_code;
    signal(SIGINT, SIG_IGN);
    aivo_diagnose_destroy(diagnosis);
    return code;
}
