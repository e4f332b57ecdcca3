/* Runs a fuzz target over files and folders of them, each file whole and cut short at every byte. Inputs are handed
 * over in blocks of their exact size, so that a sanitizer sees a read behind them. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE      (1 << 20)
#define MAX_TRUNCATED 2048 /* larger files are only run whole */

static size_t files;

static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size);
    if (size && !exact)
        abort();
    if (size)
        memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(MAX_FILE);
    int result = 1;
    if (!file || !data) {
        perror(path);
    } else {
        size_t size = fread(data, 1, MAX_FILE, file);
        for (size_t cut = 0; size <= MAX_TRUNCATED && cut < size; cut++)
            run(data, cut);
        run(data, size);
        files++;
        result = 0;
    }
    if (file)
        fclose(file);
    free(data);
    return result;
}

static int replay(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(info.st_mode))
        return replay_file(path);
    DIR *dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    int result = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name))
            result = 1;
        else
            result |= replay(name);
    }
    closedir(dir);
    return result;
}

int main(int argc, char **argv)
{
    int result = 0;
    for (int i = 1; i < argc; i++)
        result |= replay(argv[i]);
    if (!files) {
        fprintf(stderr, "no inputs were found\n");
        return 1;
    }
    printf("replayed %zu inputs and their beginnings\n", files);
    return result;
}
