/* Preloaded, it makes every directory be read in the reverse order of the names. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct list {
	DIR *dir;
	struct dirent **entries;
	size_t n, next;
	struct list *rest;
};

static struct list *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int backwards(const void *a, const void *b)
{
	return strcmp((*(struct dirent **)b)->d_name, (*(struct dirent **)a)->d_name);
}

static struct list *find(DIR *dir, int remove)
{
	for (struct list **at = &all; *at; at = &(*at)->rest)
		if ((*at)->dir == dir) {
			struct list *found = *at;
			if (remove)
				*at = found->rest;
			return found;
		}
	return NULL;
}

static struct list *read_all(DIR *dir)
{
	struct dirent *(*real)(DIR *) = (struct dirent *(*)(DIR *))dlsym(RTLD_NEXT, "readdir");
	struct list *made = calloc(1, sizeof *made);
	struct dirent *entry;
	if (!made)
		abort();
	made->dir = dir;
	while ((entry = real(dir))) {
		made->entries = realloc(made->entries, (made->n + 1) * sizeof *made->entries);
		if (!made->entries || !(made->entries[made->n] = malloc(entry->d_reclen)))
			abort();
		memcpy(made->entries[made->n++], entry, entry->d_reclen);
	}
	if (made->n)
		qsort(made->entries, made->n, sizeof *made->entries, backwards);
	made->rest = all;
	return all = made;
}

struct dirent *readdir(DIR *dir)
{
	int saved = errno; /* callers tell the end from an error by it */
	pthread_mutex_lock(&lock);
	struct list *l = find(dir, 0);
	if (!l)
		l = read_all(dir);
	struct dirent *entry = l->next < l->n ? l->entries[l->next++] : NULL;
	pthread_mutex_unlock(&lock);
	errno = saved;
	return entry;
}

struct dirent64 *readdir64(DIR *dir)
{
	return (struct dirent64 *)readdir(dir);
}

static void forget(DIR *dir)
{
	pthread_mutex_lock(&lock);
	struct list *l = find(dir, 1);
	pthread_mutex_unlock(&lock);
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->entries[i]);
	free(l->entries);
	free(l);
}

void rewinddir(DIR *dir)
{
	void (*real)(DIR *) = (void (*)(DIR *))dlsym(RTLD_NEXT, "rewinddir");
	forget(dir);
	real(dir);
}

int closedir(DIR *dir)
{
	int (*real)(DIR *) = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
	forget(dir);
	return real(dir);
}
