#include "flags.h"
#include <stdarg.h>
#include <string.h>

bool cli_fail(char error[CLI_ERROR_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, CLI_ERROR_MAX, format, args);
    va_end(args);
    for (char *c = error; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    return false;
}

static void *field(const struct cli_flag_table *table, const struct cli_flag *flag)
{
    return (char *)table->target + flag->offset;
}

static bool set_number(const struct cli_flag *flag, int64_t *out, const char *value, char error[CLI_ERROR_MAX])
{
    int64_t number = 0;
    bool good = *value != '\0' && strlen(value) <= 18;
    for (const char *c = value; good && *c; c++) {
        good = *c >= '0' && *c <= '9';
        number = number * 10 + (*c - '0');
    }
    if (!good || number < flag->min || number > flag->max) {
        return cli_fail(error, "--%s: '%.60s' is not a whole number of %lld to %lld", flag->name, value,
                        (long long)flag->min, (long long)flag->max);
    }
    *out = number;
    return true;
}

static bool set_choice(const struct cli_flag *flag, int *out, const char *value, char error[CLI_ERROR_MAX])
{
    char list[160] = "";
    size_t used = 0;
    for (int i = 0; flag->choices[i]; i++) {
        if (strcmp(flag->choices[i], value) == 0) {
            *out = i;
            return true;
        }
        int wrote = snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", flag->choices[i]);
        used += wrote > 0 && (size_t)wrote < sizeof(list) - used ? (size_t)wrote : 0;
    }
    return cli_fail(error, "--%s: '%.60s' is none of: %s", flag->name, value, list);
}

static bool set_value(const struct cli_flag_table *table, const struct cli_flag *flag, const char *value,
                      char error[CLI_ERROR_MAX])
{
    switch (flag->kind) {
    case CLI_FLAG_BOOL:
        *(bool *)field(table, flag) = true;
        return true;
    case CLI_FLAG_TEXT:
        if (*value == '\0') {
            return cli_fail(error, "--%s: the value is empty", flag->name);
        }
        *(const char **)field(table, flag) = value;
        return true;
    case CLI_FLAG_ANY:
        *(const char **)field(table, flag) = value;
        return true;
    case CLI_FLAG_NUMBER:
        return set_number(flag, field(table, flag), value, error);
    case CLI_FLAG_CHOICE:
        return set_choice(flag, field(table, flag), value, error);
    }
    return false;
}

static const struct cli_flag *find(const struct cli_flag_table *tables, size_t table_count, const char *name,
                                   size_t name_len, const struct cli_flag_table **in)
{
    for (size_t t = 0; t < table_count; t++) {
        for (size_t f = 0; f < tables[t].count; f++) {
            const struct cli_flag *flag = &tables[t].flags[f];
            if (strlen(flag->name) == name_len && memcmp(flag->name, name, name_len) == 0) {
                *in = &tables[t];
                return flag;
            }
        }
    }
    return NULL;
}

static bool is_word(const char *text)
{
    return text[0] != '-' || text[1] == '\0' || (text[1] >= '0' && text[1] <= '9');
}

enum cli_parse cli_flags_parse(const struct cli_flag_table *tables, size_t table_count, int argc, char **argv,
                               struct cli_words *words, char error[CLI_ERROR_MAX])
{
    *words = (struct cli_words){.word = argv};
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        char *text = argv[i];
        if (only_words || is_word(text)) {
            argv[words->count++] = text; /* never overtakes i */
            continue;
        }
        if (strcmp(text, "--") == 0) {
            only_words = true;
            continue;
        }
        if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            return CLI_PARSE_HELP;
        }
        const char *name = text + 2;
        size_t name_len = strcspn(name, "=");
        const struct cli_flag_table *in = NULL;
        const struct cli_flag *flag =
            strncmp(text, "--", 2) == 0 ? find(tables, table_count, name, name_len, &in) : NULL;
        if (!flag) {
            cli_fail(error, "unknown flag %.*s", (int)(strcspn(text, "=") < 60 ? strcspn(text, "=") : 60), text);
            return CLI_PARSE_ERROR;
        }
        const char *value = name[name_len] == '=' ? name + name_len + 1 : NULL;
        if (flag->kind == CLI_FLAG_BOOL && value) {
            cli_fail(error, "--%s takes no value", flag->name);
            return CLI_PARSE_ERROR;
        }
        if (flag->kind != CLI_FLAG_BOOL && !value && i + 1 == argc) {
            cli_fail(error, "--%s needs a value: %s", flag->name, flag->value);
            return CLI_PARSE_ERROR;
        }
        if (flag->kind != CLI_FLAG_BOOL && !value) {
            value = argv[++i];
        }
        if (!set_value(in, flag, value, error)) {
            return CLI_PARSE_ERROR;
        }
    }
    return CLI_PARSE_OK;
}

void cli_flags_help(FILE *out, const struct cli_flag *flags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", flags[i].name, flags[i].value ? " " : "",
                 flags[i].value ? flags[i].value : "");
        fprintf(out, "  %-34s %s\n", left, flags[i].help);
    }
}
