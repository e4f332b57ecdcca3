/* Writes a gzipped tar archive (ustar) of a few files in memory. */
#ifndef AIVO_APP_TAR_FILE_H
#define AIVO_APP_TAR_FILE_H

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _AivoTar AivoTar;

AivoTar *aivo_tar_new(void);
/* name: at most 99 bytes, a relative path. */
void aivo_tar_add(AivoTar *tar, const char *name, const void *data, gsize len, gint64 time_s);
/* The whole archive, gzipped; frees tar. NULL with error set. */
GBytes *aivo_tar_finish(AivoTar *tar, GError **error);

G_END_DECLS
#endif
