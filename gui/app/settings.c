#include "settings.h"

/* An installed program's schema is beside it even where the prefix is not among the system's data folders; a program
 * in its build folder has it in ../data. */
static GSettingsSchemaSource *source_beside_program(void)
{
    static const char *const places[] = {"../share/glib-2.0/schemas", "../data"};
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = program ? g_path_get_dirname(program) : NULL;
    for (size_t i = 0; dir && i < G_N_ELEMENTS(places); i++) {
        g_autofree char *place = g_build_filename(dir, places[i], NULL);
        GSettingsSchemaSource *source =
            g_settings_schema_source_new_from_directory(place, g_settings_schema_source_get_default(), FALSE, NULL);
        if (source)
            return source;
    }
    return NULL;
}

GSettings *aivo_settings_open(void)
{
    GSettingsSchemaSource *source = source_beside_program();
    g_autoptr(GSettingsSchema) schema = NULL;
    if (source) {
        schema = g_settings_schema_source_lookup(source, AIVO_SETTINGS_SCHEMA, TRUE);
        g_settings_schema_source_unref(source);
    }
    if (!schema && g_settings_schema_source_get_default())
        schema = g_settings_schema_source_lookup(g_settings_schema_source_get_default(), AIVO_SETTINGS_SCHEMA, TRUE);
    return schema ? g_settings_new_full(schema, NULL, NULL) : NULL;
}

void aivo_settings_tuning(GSettings *settings, AivoTuning *out)
{
    out->interval_ms = g_settings_get_uint(settings, "interval") * 1000;
    out->excellent_ms = g_settings_get_uint(settings, "excellent-ms");
    out->good_ms = MAX(g_settings_get_uint(settings, "good-ms"), out->excellent_ms + 1);
    out->fair_ms = MAX(g_settings_get_uint(settings, "fair-ms"), out->good_ms + 1);
    out->classic = g_settings_get_enum(settings, "profile") == 1;
    out->history_days = g_settings_get_uint(settings, "history-days");
}
