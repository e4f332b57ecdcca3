#include "tar-file.h"
#include <string.h>

#define BLOCK 512

struct _AivoTar {
    GByteArray *bytes;
};

/* The header of a file, as POSIX.1-1988 has it; every number in octal. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2],
        user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
G_STATIC_ASSERT(sizeof(struct header) == BLOCK);

AivoTar *aivo_tar_new(void)
{
    AivoTar *tar = g_new(AivoTar, 1);
    tar->bytes = g_byte_array_new();
    return tar;
}

static void octal(char *field, size_t size, guint64 number)
{
    g_snprintf(field, (gulong)size, "%0*" G_GINT64_MODIFIER "o", (int)size - 1, number);
}

void aivo_tar_add(AivoTar *tar, const char *name, const void *data, gsize len, gint64 time_s)
{
    static const guint8 zeros[BLOCK];
    struct header header;
    memset(&header, 0, sizeof header);
    g_strlcpy(header.name, name, sizeof header.name);
    octal(header.mode, sizeof header.mode, 0644);
    octal(header.uid, sizeof header.uid, 0);
    octal(header.gid, sizeof header.gid, 0);
    octal(header.size, sizeof header.size, len);
    octal(header.mtime, sizeof header.mtime, (guint64)MAX(time_s, 0));
    header.type = '0';
    memcpy(header.magic, "ustar", 6);
    memcpy(header.version, "00", 2);
    memset(header.checksum, ' ', sizeof header.checksum);
    guint sum = 0;
    for (size_t i = 0; i < sizeof header; i++)
        sum += ((const guint8 *)&header)[i];
    octal(header.checksum, sizeof header.checksum - 1, sum);
    g_byte_array_append(tar->bytes, (const guint8 *)&header, sizeof header);
    g_byte_array_append(tar->bytes, data, (guint)len);
    if (len % BLOCK)
        g_byte_array_append(tar->bytes, zeros, (guint)(BLOCK - len % BLOCK));
}

GBytes *aivo_tar_finish(AivoTar *tar, GError **error)
{
    static const guint8 zeros[2 * BLOCK];
    g_byte_array_append(tar->bytes, zeros, sizeof zeros);
    g_autoptr(GConverter) gzip = G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1));
    g_autoptr(GOutputStream) memory = g_memory_output_stream_new_resizable();
    g_autoptr(GOutputStream) out = g_converter_output_stream_new(memory, gzip);
    gboolean ok = g_output_stream_write_all(out, tar->bytes->data, tar->bytes->len, NULL, NULL, error) &&
                  g_output_stream_close(out, NULL, error);
    g_byte_array_unref(tar->bytes);
    g_free(tar);
    return ok ? g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(memory)) : NULL;
}
