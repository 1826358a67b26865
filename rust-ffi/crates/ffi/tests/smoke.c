/* The ABI as a C program sees it: usage `smoke <empty folder> <folder of golden files>`. Exits with 1 at the first thing that is not so. */
#include "ruvector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                       \
  do {                                                                                                         \
    if (!(condition)) {                                                                                        \
      fprintf(stderr, "%s:%d: not so: %s\n  last error: %d %s\n", __FILE__, __LINE__, #condition, err.status, \
              err.message);                                                                                    \
      exit(1);                                                                                                 \
    }                                                                                                          \
  } while (0)

#define OK(call) CHECK((call) == RUV_STATUS_OK && err.status == RUV_STATUS_OK && err.message[0] == 0)
#define FAILS(expected, call) CHECK((call) == (expected) && err.status == (int32_t)(expected) && err.message[0] != 0)
#define SAYS(text) CHECK(strstr(err.message, text) != NULL)

enum { ROWS = 500, DIM = 24, K = 5 };

static ruv_error err;
static float data[ROWS][DIM];

static ruv_index_options options(uint32_t kind) {
  ruv_index_options o = {0};
  o.kind = kind;
  o.metric = RUV_METRIC_L2;
  o.dim = DIM;
  o.originals = RUV_ORIGINALS_COPY;
  o.epsilon = NAN;
  o.seed = 42;
  return o;
}

/* The parameters (pointer, rows, dim, stride) for rows without gaps. */
#define ROWS_OF(first, rows) (first), (rows), DIM, sizeof data[0]

static ruv_search nearest(uint32_t k) {
  ruv_search s = {0};
  s.k = k;
  s.epsilon = NAN;
  return s;
}

static ruv_index *built(uint32_t kind) {
  ruv_index_options o = options(kind);
  ruv_index *index = NULL;
  OK(ruv_index_build(&o, ROWS_OF(data[0], ROWS), NULL, 1000, NULL, &index, &err));
  CHECK(index != NULL);
  return index;
}

static uint64_t size_of(const ruv_index *index) {
  ruv_index_info info;
  OK(ruv_index_info_get(index, &info, &err));
  return info.rows;
}

static void library(void) {
  char text[96], cut[4];
  CHECK(ruv_abi_version() == RUV_ABI_VERSION);
  CHECK(ruv_version(text, sizeof text) == strlen(text) && strlen(text) > 0);
  CHECK(ruv_version(cut, sizeof cut) == strlen(text) && strlen(cut) == 3 && strncmp(cut, text, 3) == 0);
  CHECK(ruv_version(NULL, 0) == strlen(text));
  CHECK(ruv_source_hash(text, sizeof text) == 64 && strspn(text, "0123456789abcdef") == 64);
  CHECK(ruv_cpu_features(text, sizeof text) > 0);
  const size_t sizes[] = {sizeof(ruv_error),      sizeof(ruv_index_options), sizeof(ruv_search),      sizeof(ruv_stats),
                          sizeof(ruv_index_info), sizeof(ruv_recommendation), sizeof(ruv_generation), sizeof(ruv_lake_options),
                          sizeof(ruv_consistency), sizeof(ruv_served),       sizeof(ruv_cache_stats),
                          sizeof(ruv_bundle)};
  enum { STRUCTS = sizeof sizes / sizeof sizes[0] };
  for (uint32_t i = 0; i < STRUCTS; i++) CHECK(ruv_struct_size(i) == sizes[i]);
  CHECK(ruv_struct_size(STRUCTS) == 0);

  ruv_recommendation r;
  OK(ruv_recommend(100000, 128, 0.95f, &r, &err));
  CHECK(r.kind == RUV_KIND_IVF && r.nprobe > 0 && r.rerank_factor > 0);
  CHECK(r.expected_recall >= 0.95f && r.row_bytes > 128 * sizeof(float));
  FAILS(RUV_STATUS_ARGUMENT, ruv_recommend(100000, 0, 0.95f, &r, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_recommend(100000, 128, NAN, &r, &err));
  FAILS(RUV_STATUS_NULL_POINTER, ruv_recommend(100000, 128, 0.95f, NULL, &err));
}

static void search(uint32_t kind) {
  ruv_index *index = built(kind);
  ruv_search s = nearest(K);
  ruv_stats stats;
  int64_t ids[3 * K];
  float scores[3 * K];

  OK(ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  CHECK(stats.hits == K && stats.scanned >= K && stats.truncated == 0);
  if (kind != RUV_KIND_RABITQ) CHECK(ids[0] == 1007);
  for (int i = 1; i < K; i++) CHECK(scores[i - 1] <= scores[i]);
  OK(ruv_index_search(index, &s, data[7], DIM, ids, scores, NULL, &err));
  CHECK(ruv_index_search(index, &s, data[7], DIM, ids, scores, NULL, NULL) == RUV_STATUS_OK);

  s.recall = 1.0f;
  if (kind == RUV_KIND_FLAT || kind == RUV_KIND_PLUS) {
    OK(ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
    CHECK(stats.hits == K && stats.scanned == ROWS && stats.reranked == 0);
  } else if (kind == RUV_KIND_RABITQ) {
    FAILS(RUV_STATUS_UNSUPPORTED, ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
    SAYS("originals");
  }
  s.recall = -1.0f;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  SAYS("recall");
  s.recall = 0;
  s.reserved = 1;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  s.reserved = 0;

  uint32_t counts[3];
  int64_t single[K];
  float single_scores[K];
  OK(ruv_index_search_batch(index, &s, ROWS_OF(data[10], 3), ids, scores, counts, &stats, &err));
  CHECK(stats.hits == 3 * K && counts[0] == K && counts[2] == K);
  OK(ruv_index_search(index, &s, data[12], DIM, single, single_scores, &stats, &err));
  CHECK(memcmp(single, ids + 2 * K, sizeof single) == 0);
  CHECK(memcmp(single_scores, scores + 2 * K, sizeof single_scores) == 0);
  float strided[2][DIM + 3];
  memcpy(strided[0], data[10], sizeof data[0]);
  memcpy(strided[1], data[12], sizeof data[0]);
  OK(ruv_index_search_batch(index, &s, strided[0], 2, DIM, sizeof strided[0], ids, scores, counts, &stats, &err));
  CHECK(memcmp(single, ids + K, sizeof single) == 0);
  strided[1][0] = NAN;
  FAILS(RUV_STATUS_INVALID_VECTOR,
        ruv_index_search_batch(index, &s, strided[0], 2, DIM, sizeof strided[0], ids, scores, counts, &stats, &err));
  CHECK(err.a == 1 && err.b == -1);
  SAYS("row 1");
  OK(ruv_index_search_batch(index, &s, ROWS_OF(NULL, 0), NULL, NULL, NULL, &stats, &err));
  CHECK(stats.hits == 0);

  float bounds[ROWS], range_scores[ROWS];
  uint8_t certain[ROWS];
  int64_t range_ids[ROWS];
  float radius = scores[K - 1] * 1.5f;
  OK(ruv_index_search_range(index, &s, data[10], DIM, radius, ROWS, range_ids, range_scores, bounds, certain, &stats, &err));
  CHECK(stats.hits > 0 && stats.truncated == 0);
  uint64_t all = stats.hits;
  for (uint64_t i = 0; i < all; i++) CHECK(certain[i] <= 1 && bounds[i] >= 0);
  OK(ruv_index_search_range(index, &s, data[10], DIM, radius, 1, range_ids, range_scores, NULL, NULL, &stats, &err));
  CHECK(stats.hits == 1 && stats.truncated == (all > 1));

  int32_t flag = 1;
  s.cancel = &flag;
  FAILS(RUV_STATUS_CANCELLED, ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  flag = 0;
  OK(ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  s.deadline_nanos = -1;
  FAILS(RUV_STATUS_DEADLINE, ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  s.deadline_nanos = INT64_MAX;
  OK(ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  ruv_index_free(index);
}

static void cells(void) {
  enum { CELLS = 8, PROBED = 3 };
  ruv_index_options o = options(RUV_KIND_IVF);
  ruv_index *flat = built(RUV_KIND_FLAT), *index = NULL;
  ruv_index_info info;
  ruv_search s = nearest(K);
  ruv_stats stats;
  int64_t ids[K], exact_ids[K];
  float scores[K], exact[K], row[DIM], factors[3];
  OK(ruv_index_info_get(flat, &info, &err));
  CHECK(info.cells == 0 && info.nlist == 0 && info.nprobe == 0);
  o.nlist = CELLS;
  o.nprobe = PROBED;
  OK(ruv_index_build(&o, ROWS_OF(data[0], ROWS), NULL, 1000, NULL, &index, &err));
  OK(ruv_index_info_get(index, &info, &err));
  CHECK(info.kind == RUV_KIND_IVF && info.nlist == CELLS && info.nprobe == PROBED && info.cells == CELLS);
  OK(ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  CHECK(ids[0] == 1007 && stats.hits == K && stats.probed > 0 && stats.probed <= PROBED && stats.scanned < ROWS);
  OK(ruv_index_get(index, 1007, row, DIM, &err));
  CHECK(memcmp(row, data[7], sizeof row) == 0);

  /* All cells, and bounds too wide to lose a row: what the exact scan finds. */
  s.nprobe = CELLS;
  s.epsilon = 16;
  OK(ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  CHECK(stats.probed == CELLS && stats.scanned == ROWS);
  OK(ruv_index_search(flat, &s, data[7], DIM, exact_ids, exact, &stats, &err));
  CHECK(stats.probed == 0 && memcmp(ids, exact_ids, sizeof ids) == 0 && memcmp(scores, exact, sizeof scores) == 0);

  s.nprobe = 65537;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_search(index, &s, data[7], DIM, ids, scores, &stats, &err));
  SAYS("nprobe is 65537");
  ruv_index_free(index);
  ruv_index_free(flat);
  o.nlist = ((uint32_t)1 << 20) + 1;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &index, &err));
  SAYS("nlist is 1048577");
  o.nlist = 0;
  o.nprobe = 65537;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &index, &err));
  SAYS("nprobe is 65537");

  o.nprobe = 0;
  o.originals = RUV_ORIGINALS_NONE;
  OK(ruv_index_build(&o, ROWS_OF(data[0], ROWS), NULL, 1000, NULL, &index, &err));
  OK(ruv_index_info_get(index, &info, &err));
  CHECK(info.originals == RUV_ORIGINALS_NONE && info.nlist == 0 && info.nprobe == 0 && info.cells > 1);
  FAILS(RUV_STATUS_UNSUPPORTED, ruv_index_get(index, 1007, row, DIM, &err));
  ruv_iter *rows;
  uint64_t n;
  uint8_t *packed = malloc(info.code_bytes);
  CHECK(packed != NULL);
  OK(ruv_iter_new(index, &rows, &err));
  FAILS(RUV_STATUS_UNSUPPORTED, ruv_iter_next(rows, 1, ids, row, &n, &err));
  SAYS("keeps no originals");
  OK(ruv_iter_next_codes(rows, 1, ids, packed, factors, &n, &err));
  CHECK(n == 1);
  free(packed);
  ruv_iter_free(rows);
  ruv_index_free(index);
}

static void change(void) {
  ruv_index_options o = options(RUV_KIND_PLUS);
  ruv_index *index;
  OK(ruv_index_create(&o, &index, &err));
  ruv_search s = nearest(1);
  int64_t id;
  float score;
  FAILS(RUV_STATUS_EMPTY_INDEX, ruv_index_search(index, &s, data[0], DIM, &id, &score, NULL, &err));

  const int64_t ids[] = {INT64_MIN, -1, 5, INT64_MAX};
  OK(ruv_index_add(index, ROWS_OF(data[0], 4), ids, 0, &err));
  OK(ruv_index_add(index, ROWS_OF(NULL, 0), NULL, 0, &err));
  CHECK(size_of(index) == 4);
  FAILS(RUV_STATUS_DUPLICATE_ID, ruv_index_add(index, ROWS_OF(data[0], 4), NULL, 4, &err));
  CHECK(err.a == 5 && err.b == 1 && size_of(index) == 4);
  OK(ruv_index_search(index, &s, data[3], DIM, &id, &score, NULL, &err));
  CHECK(id == INT64_MAX && score == 0);

  uint64_t count;
  OK(ruv_index_upsert(index, ROWS_OF(data[8], 2), NULL, 5, &count, &err));
  CHECK(count == 1 && size_of(index) == 5);
  OK(ruv_index_upsert(index, ROWS_OF(data[8], 2), NULL, 5, NULL, &err));
  float row[DIM];
  OK(ruv_index_get(index, 5, row, DIM, &err));
  CHECK(memcmp(row, data[8], sizeof row) == 0);

  const int64_t gone[] = {-1, 77};
  OK(ruv_index_remove(index, gone, 2, &count, &err));
  CHECK(count == 1 && size_of(index) == 4);
  OK(ruv_index_remove(index, NULL, 0, NULL, &err));
  uint32_t there;
  OK(ruv_index_contains(index, -1, &there, &err));
  CHECK(there == 0);
  OK(ruv_index_contains(index, INT64_MIN, &there, &err));
  CHECK(there == 1);
  FAILS(RUV_STATUS_NOT_FOUND, ruv_index_get(index, -1, row, DIM, &err));
  CHECK(err.a == -1);
  OK(ruv_index_compact(index, &err));
  CHECK(size_of(index) == 4);
  ruv_index_free(index);
}

static void adopt(void) {
  ruv_buffer *buffer;
  float *floats;
  OK(ruv_buffer_new(ROWS, DIM, &buffer, &floats, &err));
  memcpy(floats, data, sizeof data);
  ruv_index_options o = options(RUV_KIND_PLUS);
  o.originals = RUV_ORIGINALS_ADOPT;
  ruv_index *index, *copied = built(RUV_KIND_PLUS);
  OK(ruv_index_adopt(&o, buffer, NULL, 1000, NULL, &index, &err));
  float row[DIM];
  OK(ruv_index_get(index, 1003, row, DIM, &err));
  CHECK(memcmp(row, data[3], sizeof row) == 0);
  uint64_t removed;
  const int64_t id = 1003;
  OK(ruv_index_remove(index, &id, 1, &removed, &err));
  CHECK(removed == 1 && size_of(copied) == ROWS);
  ruv_index_free(index);
  ruv_index_free(copied);

  /* Consumed on error as well: the count at the end of main shows it. */
  OK(ruv_buffer_new(1, DIM, &buffer, &floats, &err));
  o.dim = DIM + 1;
  FAILS(RUV_STATUS_DIMENSION_MISMATCH, ruv_index_adopt(&o, buffer, NULL, 0, NULL, &index, &err));
  CHECK(index == NULL);
  OK(ruv_buffer_new(0, DIM, &buffer, &floats, &err));
  ruv_buffer_free(buffer);
  FAILS(RUV_STATUS_ARGUMENT, ruv_buffer_new(1, 8193, &buffer, &floats, &err));
  CHECK(ruv_buffer_new(UINT64_MAX / 4, 8192, &buffer, &floats, &err) != RUV_STATUS_OK && buffer == NULL);
  FAILS(RUV_STATUS_OUT_OF_MEMORY, ruv_buffer_new((uint64_t)1 << 44, 8192, &buffer, &floats, &err));
}

static void files(const char *folder) {
  char path[1024], raw[1024], missing[1024];
  snprintf(path, sizeof path, "%s/sm\xc3\xb6ke.rvx", folder);
  snprintf(raw, sizeof raw, "%s/rows.f32", folder);
  snprintf(missing, sizeof missing, "%s/none.rvx", folder);
  const uint8_t *at = (const uint8_t *)path;
  const size_t length = strlen(path);
  ruv_index *index = built(RUV_KIND_PLUS), *again;
  OK(ruv_index_save(index, at, length, &err));
  OK(ruv_index_verify(at, length, &err));
  for (uint32_t mode = RUV_OPEN_MODE_MAP; mode <= RUV_OPEN_MODE_LOAD_CODES; mode++) {
    uint32_t equal = 0;
    OK(ruv_index_open(at, length, mode, 1, &again, &err));
    OK(ruv_index_content_equals(index, again, &equal, &err));
    CHECK(equal == 1);
    OK(ruv_index_add(again, ROWS_OF(data[0], 1), NULL, 7, &err));
    OK(ruv_index_content_equals(index, again, &equal, &err));
    CHECK(equal == 0);
    ruv_index_free(again);
  }
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_open(at, length, 3, 0, &again, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_open(at, length, 0, 2, &again, &err));
  FAILS(RUV_STATUS_PERSIST, ruv_index_open((const uint8_t *)missing, strlen(missing), 0, 0, &again, &err));
  CHECK(again == NULL);
  SAYS("none.rvx");
  FAILS(RUV_STATUS_PERSIST, ruv_index_save(index, (const uint8_t *)"/nowhere/at/all", 15, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_open((const uint8_t *)"\xff", 1, 0, 0, &again, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_open(at, 0, 0, 0, &again, &err));
  FAILS(RUV_STATUS_NULL_POINTER, ruv_index_open(NULL, 5, 0, 0, &again, &err));

  FILE *file = fopen(raw, "wb");
  CHECK(file != NULL && fwrite("head", 1, 4, file) == 4 && fwrite(data, sizeof data, 1, file) == 1 && fclose(file) == 0);
  ruv_index_options o = options(RUV_KIND_PLUS);
  o.originals = RUV_ORIGINALS_MAPPED;
  const uint8_t *raw_at = (const uint8_t *)raw;
  OK(ruv_index_build_mapped(&o, raw_at, strlen(raw), 4, ROWS, sizeof data[0], NULL, 1000, NULL, &again, &err));
  float row[DIM];
  OK(ruv_index_get(again, 1000 + ROWS - 1, row, DIM, &err));
  CHECK(memcmp(row, data[ROWS - 1], sizeof row) == 0);
  ruv_index_free(again);
  FAILS(RUV_STATUS_PERSIST,
        ruv_index_build_mapped(&o, raw_at, strlen(raw), 4, ROWS + 1, sizeof data[0], NULL, 0, NULL, &again, &err));

  file = fopen(path, "r+b");
  CHECK(file != NULL && fseek(file, -40, SEEK_END) == 0 && fputc('!', file) == '!' && fclose(file) == 0);
  FAILS(RUV_STATUS_PERSIST, ruv_index_verify(at, length, &err));
  ruv_index_free(index);
}

static void written_beyond_memory(const char *folder) {
  char path[1024], raw[1024];
  snprintf(path, sizeof path, "%s/written.rvx", folder);
  snprintf(raw, sizeof raw, "%s/rows.f32", folder);
  const uint8_t *at = (const uint8_t *)path, *raw_at = (const uint8_t *)raw;
  const size_t length = strlen(path), raw_length = strlen(raw);
  const uint64_t memory = (uint64_t)1 << 30;
  const int32_t stop = 1;
  ruv_index_options o = options(RUV_KIND_IVF);
  ruv_index *index = built(RUV_KIND_IVF), *again;
  ruv_writer *writer;
  uint32_t equal = 0;

  OK(ruv_writer_new(&o, at, length, memory, &writer, &err));
  OK(ruv_writer_add(writer, ROWS_OF(data[0], 300), NULL, 1000, NULL, &err));
  FAILS(RUV_STATUS_CANCELLED, ruv_writer_add(writer, ROWS_OF(data[300], 1), NULL, 7, &stop, &err));
  OK(ruv_writer_add(writer, ROWS_OF(data[300], ROWS - 300), NULL, 1300, NULL, &err));
  FAILS(RUV_STATUS_PERSIST, ruv_index_verify(at, length, &err));
  OK(ruv_writer_finish(writer, NULL, &err));
  OK(ruv_index_open(at, length, RUV_OPEN_MODE_LOAD_CODES, 1, &again, &err));
  OK(ruv_index_content_equals(index, again, &equal, &err));
  CHECK(equal == 1);
  ruv_index_free(again);
  CHECK(remove(path) == 0);

  /* Consumed on error as well. */
  OK(ruv_writer_new(&o, at, length, memory, &writer, &err));
  OK(ruv_writer_add(writer, ROWS_OF(data[0], 2), NULL, 5, NULL, &err));
  OK(ruv_writer_add(writer, ROWS_OF(data[2], 1), NULL, 6, NULL, &err));
  FAILS(RUV_STATUS_DUPLICATE_ID, ruv_writer_finish(writer, NULL, &err));
  CHECK(err.a == 6);
  FAILS(RUV_STATUS_PERSIST, ruv_index_verify(at, length, &err));
  OK(ruv_writer_new(&o, at, length, memory, &writer, &err));
  ruv_writer_free(writer);
  ruv_writer_free(NULL);
  FAILS(RUV_STATUS_ARGUMENT, ruv_writer_new(&o, at, length, 1000, &writer, &err));
  CHECK(writer == NULL);
  SAYS("max_bytes");
  FAILS(RUV_STATUS_NULL_POINTER, ruv_writer_new(NULL, at, length, memory, &writer, &err));
  FAILS(RUV_STATUS_NULL_POINTER, ruv_writer_new(&o, at, length, memory, NULL, &err));
  FAILS(RUV_STATUS_NULL_POINTER, ruv_writer_add(NULL, ROWS_OF(data[0], 1), NULL, 0, NULL, &err));
  FAILS(RUV_STATUS_NULL_POINTER, ruv_writer_finish(NULL, NULL, &err));

  OK(ruv_index_build_to(&o, raw_at, raw_length, 4, ROWS, sizeof data[0], NULL, 1000, at, length, memory, NULL, &err));
  OK(ruv_index_open(at, length, RUV_OPEN_MODE_MAP, 1, &again, &err));
  OK(ruv_index_content_equals(index, again, &equal, &err));
  CHECK(equal == 1);
  ruv_index_free(again);
  FAILS(RUV_STATUS_PERSIST,
        ruv_index_build_to(&o, raw_at, raw_length, 8, ROWS, sizeof data[0], NULL, 0, at, length, memory, NULL, &err));
  ruv_index_free(index);
}

static void upstream_files(const char *folder) {
  char path[1024];
  snprintf(path, sizeof path, "%s/index.rbpx", folder);
  const uint8_t *at = (const uint8_t *)path;
  ruv_index_options o = options(RUV_KIND_PLUS);
  ruv_index *index = built(RUV_KIND_PLUS), *again;
  OK(ruv_rbpx_export(index, at, strlen(path), &err));
  OK(ruv_rbpx_import(at, strlen(path), NULL, &again, &err));
  CHECK(size_of(again) == ROWS);
  ruv_index_free(again);
  OK(ruv_rbpx_import(at, strlen(path), &o, &again, &err));
  ruv_index_free(again);
  OK(ruv_index_add(index, ROWS_OF(data[0], 1), NULL, (int64_t)1 << 40, &err));
  FAILS(RUV_STATUS_UNSUPPORTED, ruv_rbpx_export(index, at, strlen(path), &err));
  ruv_index_free(index);
}

static void iterate(void) {
  enum { BATCH = 64 };
  ruv_index *index = built(RUV_KIND_PLUS);
  ruv_iter *rows, *codes;
  int64_t ids[BATCH];
  float vectors[BATCH][DIM], factors[BATCH][3];
  OK(ruv_iter_new(index, &rows, &err));
  OK(ruv_iter_new(index, &codes, &err));
  ruv_index_info info;
  OK(ruv_index_info_get(index, &info, &err));
  CHECK(info.code_bytes > 0 && info.dim == DIM && info.kind == RUV_KIND_PLUS && info.memory_bytes > 0);
  uint8_t *packed = malloc(BATCH * info.code_bytes);
  CHECK(packed != NULL);
  ruv_index_free(index);

  uint64_t n, seen = 0;
  for (;;) {
    OK(ruv_iter_next(rows, BATCH, ids, vectors[0], &n, &err));
    if (n == 0) break;
    for (uint64_t i = 0; i < n; i++) CHECK(memcmp(vectors[i], data[ids[i] - 1000], sizeof vectors[i]) == 0);
    seen += n;
  }
  CHECK(seen == ROWS);
  OK(ruv_iter_next(rows, BATCH, ids, NULL, &n, &err));
  CHECK(n == 0);
  OK(ruv_iter_next_codes(codes, BATCH, ids, packed, factors[0], &n, &err));
  CHECK(n == BATCH);
  for (uint64_t i = 0; i < n; i++) CHECK(isfinite(factors[i][0]) && isfinite(factors[i][1]) && factors[i][2] >= 0);
  OK(ruv_iter_next(codes, 0, NULL, NULL, &n, &err));
  FAILS(RUV_STATUS_NULL_POINTER, ruv_iter_next(codes, 1, NULL, NULL, &n, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_iter_next(codes, UINT64_MAX / 2, ids, vectors[0], &n, &err));
  free(packed);
  ruv_iter_free(rows);
  ruv_iter_free(codes);
}

static void filters(void) {
  ruv_index *index = built(RUV_KIND_PLUS);
  const int64_t lows[] = {1100, 1400}, highs[] = {1103, 1401};
  ruv_filter *filter, *none, *bad;
  OK(ruv_filter_new(lows, highs, 2, &filter, &err));
  OK(ruv_filter_new(NULL, NULL, 0, &none, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_filter_new(highs, lows, 2, &bad, &err));
  CHECK(bad == NULL);
  uint64_t allowed;
  OK(ruv_filter_prepare(filter, index, &allowed, &err));
  CHECK(allowed == 6);

  int64_t ids[10];
  float scores[10];
  ruv_stats stats;
  ruv_search s = nearest(10);
  s.filter = filter;
  OK(ruv_index_search(index, &s, data[0], DIM, ids, scores, &stats, &err));
  CHECK(stats.hits == 6);
  for (int i = 0; i < 6; i++) CHECK((ids[i] >= 1100 && ids[i] <= 1103) || ids[i] == 1400 || ids[i] == 1401);
  s.filter = none;
  OK(ruv_index_search(index, &s, data[0], DIM, ids, scores, &stats, &err));
  CHECK(stats.hits == 0);
  ruv_filter_free(filter);
  ruv_filter_free(none);
  ruv_index_free(index);

  /* {1, 2, 3, 9}: one 32-bit bitmap of high bits 0, in it one array container of key 0. */
  const uint8_t roaring[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3a, 0x30, 0, 0, 1, 0, 0, 0,
                             0, 0, 3, 0, 16, 0, 0, 0, 1, 0, 2, 0, 3, 0, 9, 0};
  int64_t from[2], to[2];
  uint64_t n;
  OK(ruv_roaring_intervals(roaring, sizeof roaring, NULL, NULL, 0, &n, &err));
  CHECK(n == 2);
  OK(ruv_roaring_intervals(roaring, sizeof roaring, from, to, 2, &n, &err));
  CHECK(n == 2 && from[0] == 1 && to[0] == 3 && from[1] == 9 && to[1] == 9);
  FAILS(RUV_STATUS_ARGUMENT, ruv_roaring_intervals(roaring, sizeof roaring - 1, from, to, 2, &n, &err));
}

static void rotate(void) {
  ruv_index *index = built(RUV_KIND_PLUS);
  float turned[DIM], back[DIM];
  OK(ruv_index_rotate(index, data[1], turned, DIM, 0, &err));
  OK(ruv_index_rotate(index, turned, back, DIM, 1, &err));
  for (int i = 0; i < DIM; i++) CHECK(fabsf(back[i] - data[1][i]) < 1e-5f);
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_rotate(index, turned, turned, DIM, 0, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_rotate(index, turned, back, DIM, 2, &err));
  ruv_index_free(index);
}

static void bad_input(void) {
  ruv_index *index = built(RUV_KIND_PLUS), *other;
  ruv_index_options o = options(RUV_KIND_PLUS);
  ruv_search s = nearest(K);
  ruv_stats stats;
  int64_t ids[K];
  float scores[K], row[DIM];
  uint64_t count;

  o.kind = 99;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &other, &err));
  SAYS("kind");
  o.kind = UINT32_MAX;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &other, &err));
  o = options(RUV_KIND_PLUS);
  o.metric = 3;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &other, &err));
  o = options(RUV_KIND_PLUS);
  o.originals = 4;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &other, &err));
  o = options(RUV_KIND_PLUS);
  o.bits = 9;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &other, &err));
  o = options(RUV_KIND_PLUS);
  o.reserved = 1;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &other, &err));
  o = options(RUV_KIND_PLUS);
  for (uint32_t dim = 0; dim <= 8193; dim += 8193) {
    o.dim = dim;
    FAILS(RUV_STATUS_ARGUMENT, ruv_index_create(&o, &other, &err));
    SAYS("dim");
    CHECK(other == NULL);
  }

  FAILS(RUV_STATUS_DIMENSION_MISMATCH, ruv_index_search(index, &s, data[0], DIM - 1, ids, scores, &stats, &err));
  CHECK(err.a == DIM && err.b == DIM - 1);
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_search(index, &s, data[0], 0, ids, scores, &stats, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_search(index, &s, data[0], 8193, ids, scores, &stats, &err));
  s.k = 0;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_search(index, &s, data[0], DIM, ids, scores, &stats, &err));
  s = nearest(K);
  s.epsilon = -1;
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_search(index, &s, data[0], DIM, ids, scores, &stats, &err));
  s = nearest(K);
  memcpy(row, data[0], sizeof row);
  row[3] = NAN;
  FAILS(RUV_STATUS_INVALID_VECTOR, ruv_index_search(index, &s, row, DIM, ids, scores, &stats, &err));
  CHECK(err.a == 0 && err.b == -1 && strncmp(err.message, "query: ", 7) == 0);
  FAILS(RUV_STATUS_INVALID_VECTOR,
        ruv_index_search_range(index, &s, row, DIM, 1, K, ids, scores, NULL, NULL, &stats, &err));
  SAYS("query: ");
  FAILS(RUV_STATUS_INVALID_VECTOR, ruv_index_add(index, ROWS_OF(row, 1), NULL, 0, &err));
  CHECK(err.a == 0 && err.b == -1 && size_of(index) == ROWS);

  const uint64_t row_bytes = sizeof data[0], strides[] = {row_bytes - 4, row_bytes + 1, (uint64_t)1 << 60};
  for (int i = 0; i < 3; i++) {
    FAILS(RUV_STATUS_ARGUMENT, ruv_index_add(index, data[0], ROWS, DIM, strides[i], NULL, 5000, &err));
    if (i < 2) SAYS("stride");
  }
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_add(index, data[0], ROWS, 0, row_bytes, NULL, 5000, &err));
  SAYS("dim");
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_add(index, ROWS_OF(data[0], UINT64_MAX), NULL, 5000, &err));
  FAILS(RUV_STATUS_ARGUMENT,
        ruv_index_add(index, ROWS_OF((const float *)((const char *)data[0] + 1), 1), NULL, 5000, &err));
  SAYS("aligned");
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_add(index, ROWS_OF(data[0], 2), NULL, INT64_MAX, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_index_remove(index, ids, UINT64_MAX, &count, &err));
  CHECK(size_of(index) == ROWS);
  ruv_index_free(index);

  index = built(RUV_KIND_ASYM);
  FAILS(RUV_STATUS_UNSUPPORTED, ruv_index_get(index, 1000, row, DIM, &err));
  ruv_index_free(index);
}

static void null_pointers(void) {
  ruv_index *index = built(RUV_KIND_FLAT), *other;
  ruv_index_options o = options(RUV_KIND_FLAT);
  ruv_search s = nearest(K);
  ruv_iter *iter;
  int64_t ids[K];
  float scores[K], row[DIM], *floats;
  uint32_t there;
  uint64_t count;
  const uint8_t *path = (const uint8_t *)"x";
#define NULL_POINTER(call) FAILS(RUV_STATUS_NULL_POINTER, call)
  NULL_POINTER(ruv_index_create(NULL, &other, &err));
  NULL_POINTER(ruv_index_create(&o, NULL, &err));
  NULL_POINTER(ruv_index_build(NULL, ROWS_OF(data[0], 1), NULL, 0, NULL, &other, &err));
  NULL_POINTER(ruv_index_build(&o, ROWS_OF(NULL, 1), NULL, 0, NULL, &other, &err));
  NULL_POINTER(ruv_index_build(&o, ROWS_OF(data[0], 1), NULL, 0, NULL, NULL, &err));
  NULL_POINTER(ruv_index_adopt(&o, NULL, NULL, 0, NULL, &other, &err));
  NULL_POINTER(ruv_buffer_new(1, DIM, NULL, &floats, &err));
  NULL_POINTER(ruv_index_info_get(NULL, NULL, &err));
  NULL_POINTER(ruv_index_info_get(index, NULL, &err));
  NULL_POINTER(ruv_index_add(NULL, ROWS_OF(data[0], 1), NULL, 0, &err));
  NULL_POINTER(ruv_index_add(index, ROWS_OF(NULL, 1), NULL, 0, &err));
  NULL_POINTER(ruv_index_upsert(index, ROWS_OF(NULL, 1), NULL, 0, &count, &err));
  NULL_POINTER(ruv_index_remove(index, NULL, 1, &count, &err));
  NULL_POINTER(ruv_index_compact(NULL, &err));
  NULL_POINTER(ruv_index_search(NULL, &s, data[0], DIM, ids, scores, NULL, &err));
  NULL_POINTER(ruv_index_search(index, NULL, data[0], DIM, ids, scores, NULL, &err));
  NULL_POINTER(ruv_index_search(index, &s, NULL, DIM, ids, scores, NULL, &err));
  NULL_POINTER(ruv_index_search(index, &s, data[0], DIM, NULL, scores, NULL, &err));
  SAYS("ids");
  NULL_POINTER(ruv_index_search(index, &s, data[0], DIM, ids, NULL, NULL, &err));
  NULL_POINTER(ruv_index_search_batch(index, &s, ROWS_OF(NULL, 1), ids, scores, &there, NULL, &err));
  NULL_POINTER(ruv_index_search_batch(index, &s, ROWS_OF(data[0], 1), ids, scores, NULL, NULL, &err));
  SAYS("counts");
  NULL_POINTER(ruv_index_search_range(index, &s, data[0], DIM, 1, K, NULL, scores, NULL, NULL, NULL, &err));
  NULL_POINTER(ruv_index_contains(index, 1, NULL, &err));
  NULL_POINTER(ruv_index_contains(NULL, 1, &there, &err));
  NULL_POINTER(ruv_index_get(index, 1000, NULL, DIM, &err));
  NULL_POINTER(ruv_index_save(NULL, path, 1, &err));
  NULL_POINTER(ruv_index_content_equals(index, NULL, &there, &err));
  NULL_POINTER(ruv_index_rotate(index, NULL, row, DIM, 0, &err));
  NULL_POINTER(ruv_iter_new(NULL, &iter, &err));
  NULL_POINTER(ruv_iter_next(NULL, 1, ids, NULL, &count, &err));
  NULL_POINTER(ruv_iter_next_codes(NULL, 1, ids, NULL, NULL, &count, &err));
  NULL_POINTER(ruv_filter_new(NULL, ids, 1, NULL, &err));
  NULL_POINTER(ruv_filter_prepare(NULL, index, &count, &err));
  NULL_POINTER(ruv_roaring_intervals(NULL, 1, NULL, NULL, 0, &count, &err));
  NULL_POINTER(ruv_rbpx_export(NULL, path, 1, &err));
  NULL_POINTER(ruv_test_panic(NULL, 1, &err));
  CHECK(ruv_index_create(NULL, NULL, NULL) == RUV_STATUS_NULL_POINTER);
  ruv_index_free(NULL);
  ruv_buffer_free(NULL);
  ruv_iter_free(NULL);
  ruv_filter_free(NULL);
  ruv_index_free(index);
}

static void panics(void) {
  ruv_index *index = built(RUV_KIND_PLUS), *other = built(RUV_KIND_PLUS);
  ruv_search s = nearest(K);
  int64_t ids[K];
  float scores[K];
  uint32_t equal;
  FAILS(RUV_STATUS_PANIC, ruv_test_panic(NULL, 0, &err));
  SAYS("asked for");
  SAYS("library.rs");
  FAILS(RUV_STATUS_PANIC, ruv_test_panic(index, 0, &err));
  OK(ruv_index_search(index, &s, data[0], DIM, ids, scores, NULL, &err));
  FAILS(RUV_STATUS_PANIC, ruv_test_panic(index, 1, &err));
  FAILS(RUV_STATUS_POISONED, ruv_index_search(index, &s, data[0], DIM, ids, scores, NULL, &err));
  FAILS(RUV_STATUS_POISONED, ruv_index_compact(index, &err));
  FAILS(RUV_STATUS_POISONED, ruv_index_content_equals(other, index, &equal, &err));
  OK(ruv_index_search(other, &s, data[0], DIM, ids, scores, NULL, &err));
  ruv_index_free(index);
  ruv_index_free(other);
}

/* A field of a golden file, an array of numbers on one line; the caller frees it. */
static double *field(const char *folder, const char *file, const char *name, size_t *count) {
  char path[4096], key[64];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  snprintf(key, sizeof key, "\"%s\":[", name);
  FILE *in = fopen(path, "rb");
  CHECK(in != NULL);
  CHECK(fseek(in, 0, SEEK_END) == 0);
  long size = ftell(in);
  CHECK(size > 0);
  rewind(in);
  char *text = malloc((size_t)size + 1);
  double *values = malloc((size_t)size * sizeof *values);
  CHECK(text != NULL && values != NULL && fread(text, 1, (size_t)size, in) == (size_t)size);
  fclose(in);
  text[size] = 0;
  char *next = strstr(text, key);
  CHECK(next != NULL);
  next += strlen(key);
  for (*count = 0;; next++) {
    char *end;
    values[(*count)++] = strtod(next, &end);
    CHECK(end != next && (*end == ',' || *end == ']'));
    next = end;
    if (*end == ']') break;
  }
  free(text);
  return values;
}

/* The hits that an independent program computed (testdata/golden/README.md). */
static void golden(const char *folder, const char *file, uint32_t metric) {
  enum { RIGHT = 10 };
  size_t n, vectors_n, queries_n, hits_n, scores_n;
  double *vectors = field(folder, "vectors.json", "vectors", &vectors_n);
  double *named = field(folder, file, "ids", &n);
  double *queries = field(folder, file, "queries", &queries_n);
  double *hits = field(folder, file, "hits", &hits_n);
  double *scores = field(folder, file, "scores", &scores_n);
  CHECK(vectors_n == n * DIM && n <= ROWS && hits_n == queries_n / DIM * RIGHT && scores_n == hits_n);
  static float rows[ROWS][DIM];
  int64_t ids[ROWS];
  for (size_t i = 0; i < n; i++) {
    ids[i] = (int64_t)named[i];
    for (size_t d = 0; d < DIM; d++) rows[i][d] = (float)vectors[i * DIM + d];
  }
  for (uint32_t kind = RUV_KIND_FLAT; kind <= RUV_KIND_PLUS; kind += RUV_KIND_PLUS - RUV_KIND_FLAT) {
    ruv_index_options o = options(kind);
    o.metric = metric;
    ruv_index *index = NULL;
    OK(ruv_index_build(&o, ROWS_OF(rows[0], n), ids, 0, NULL, &index, &err));
    for (size_t q = 0; q < queries_n / DIM; q++) {
      float query[DIM], found_scores[RIGHT];
      int64_t found[RIGHT];
      ruv_search s = nearest(RIGHT);
      for (size_t d = 0; d < DIM; d++) query[d] = (float)queries[q * DIM + d];
      OK(ruv_index_search(index, &s, query, DIM, found, found_scores, NULL, &err));
      for (size_t i = 0; i < RIGHT; i++) {
        double score = scores[q * RIGHT + i];
        CHECK(found[i] == (int64_t)hits[q * RIGHT + i]);
        CHECK(fabs(found_scores[i] - score) <= 1e-5 * fmax(1, fabs(score)));
      }
    }
    ruv_index_free(index);
  }
  free(vectors), free(named), free(queries), free(hits), free(scores);
}

/* The parameters (pointer, length) for a text. */
#define TEXT(text) (const uint8_t *)(text), strlen(text)

static ruv_lake *lake_over(ruv_backend *backend) {
  ruv_lake_options o = {0};
  ruv_lake *lake = NULL;
  o.index = options(RUV_KIND_PLUS);
  OK(ruv_lake_new(&o, &lake, &err));
  if (backend != NULL) OK(ruv_lake_register(lake, backend, &err));
  return lake;
}

static void leased(ruv_index *index, int row, int64_t id) {
  ruv_search s = nearest(1);
  int64_t found;
  float score;
  CHECK(index != NULL);
  OK(ruv_index_search(index, &s, data[row], DIM, &found, &score, NULL, &err));
  CHECK(found == id);
  ruv_index_free(index);
}

static void lakes(const char *folder) {
  char path[512], text[65], witness[65];
  uint64_t length, count;
  uint32_t refresh;
  ruv_backend *memory = NULL, *files = NULL;
  ruv_index *index = NULL;
  static ruv_served served;
  static ruv_bundle bundle;
  static char json[RUV_BUNDLE_BYTES + 1];
  ruv_cache_stats total, each[4];
  OK(ruv_backend_local(TEXT("memory"), &memory, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_backend_local(TEXT("a/b"), &files, &err));
  OK(ruv_backend_replace(memory, TEXT("c"), ROWS_OF(data[0], ROWS - 1), NULL, 0, &err));
  ruv_lake *lake = lake_over(memory);
  FAILS(RUV_STATUS_DUPLICATE_BACKEND, ruv_lake_register(lake, memory, &err));
  OK(ruv_lake_look(lake, TEXT("memory"), TEXT("c"), NULL, 0, 0, NULL, 0, &served, &index, &err));
  CHECK(served.rows == ROWS - 1 && served.dim == DIM && served.stale == 0);
  CHECK(served.generation.kind == RUV_GENERATION_NUMBER && served.generation.age_nanos >= 0);
  leased(index, 7, 7);
  OK(ruv_lake_look(lake, TEXT("memory"), TEXT("c"), NULL, 0, served.state, NULL, 0, &served, &index, &err));
  CHECK(index == NULL);
  OK(ruv_backend_upsert(memory, TEXT("c"), ROWS_OF(data[ROWS - 1], 1), NULL, 9000, &err));
  OK(ruv_backend_remove(memory, TEXT("c"), (const int64_t[]){3}, 1, &count, &err));
  CHECK(count == 1);
  OK(ruv_lake_look(lake, TEXT("memory"), TEXT("c"), NULL, 0, served.state, NULL, 0, &served, &index, &err));
  CHECK(served.rows == ROWS - 1);
  leased(index, ROWS - 1, 9000);
  FAILS(RUV_STATUS_UNKNOWN_COLLECTION,
        ruv_lake_look(lake, TEXT("memory"), TEXT("x"), NULL, 0, 0, NULL, 0, &served, &index, &err));
  FAILS(RUV_STATUS_UNKNOWN_BACKEND, ruv_lake_look(lake, TEXT("x"), TEXT("c"), NULL, 0, 0, NULL, 0, &served, &index, &err));
  FAILS(RUV_STATUS_DEADLINE, ruv_lake_prime(lake, TEXT("memory"), TEXT("c"), NULL, -1, &err));

  snprintf(path, sizeof path, "%s/saved", folder);
  OK(ruv_lake_save(lake, TEXT("memory"), TEXT("c"), TEXT(path), 1, &bundle, &err));
  OK(ruv_bundle_write(&bundle, TEXT(path), &err));
  OK(ruv_bundle_read(TEXT(path), &bundle, &err));
  CHECK(bundle.dim == DIM && bundle.lengths[0] == 16 && memcmp(bundle.text, "local://memory/c", 16) == 0);
  OK(ruv_lake_refresh(lake, TEXT("memory"), TEXT("c"), &bundle, TEXT(path), &refresh, &err));
  CHECK(refresh == RUV_REFRESH_UP_TO_DATE);
  OK(ruv_lake_bundle(lake, TEXT("memory"), TEXT("c"), NULL, NULL, 0, &bundle, &err));
  OK(ruv_lake_witness(lake, TEXT("memory"), TEXT("c"), witness, sizeof witness, &err));
  CHECK(strspn(witness, "0123456789abcdef") == 64);
  OK(ruv_bundle_json(&bundle, json, sizeof json, &err));
  CHECK(strstr(json, witness) != NULL);
  FAILS(RUV_STATUS_ARGUMENT, ruv_bundle_json(&bundle, json, 100, &err));
  OK(ruv_bundle_parse(TEXT(json), &bundle, &err));
  FAILS(RUV_STATUS_BUNDLE, ruv_bundle_parse(TEXT("{}"), &bundle, &err));
  bundle.rotation_seed++;
  OK(ruv_bundle_witness(&bundle, text, sizeof text, &err));
  CHECK(strcmp(text, witness) != 0);
  FAILS(RUV_STATUS_BUNDLE, ruv_bundle_write(&bundle, TEXT(path), &err));
  bundle.lengths[0] = RUV_BUNDLE_TEXT_BYTES + 1;
  FAILS(RUV_STATUS_ARGUMENT, ruv_bundle_write(&bundle, TEXT(path), &err));
  OK(ruv_lake_is_current(lake, TEXT("memory"), TEXT("c"), NULL, NULL, 0, &count, &err));
  CHECK(count == 1);
  OK(ruv_lake_invalidate(lake, TEXT("memory"), TEXT("c"), &count, &err));
  CHECK(count == 1);
  FAILS(RUV_STATUS_NOT_CACHED, ruv_lake_witness(lake, TEXT("memory"), TEXT("c"), witness, sizeof witness, &err));
  OK(ruv_bundle_read(TEXT(path), &bundle, &err));
  OK(ruv_lake_warm(lake, TEXT("memory"), TEXT("c"), &bundle, TEXT(path), &served, &index, &err));
  CHECK(served.rows == ROWS - 1 && index != NULL);
  ruv_index_free(index);
  OK(ruv_lake_is_cached(lake, TEXT("memory"), TEXT("c"), &count, &err));
  CHECK(count == 1);

  snprintf(path, sizeof path, "%s/files", folder);
  OK(ruv_backend_files(TEXT("files"), TEXT(path), &files, &err));
  OK(ruv_backend_replace(files, TEXT("f"), ROWS_OF(data[0], ROWS), NULL, 0, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_backend_upsert(files, TEXT("f"), ROWS_OF(data[0], 1), NULL, 0, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_backend_register_file(files, TEXT("g"), TEXT("../g"), &err));
  OK(ruv_backend_collections(files, text, sizeof text, &length, &err));
  CHECK(length == 1 && strcmp(text, "f") == 0);
  OK(ruv_backend_collections(files, NULL, 0, &length, &err));
  CHECK(length == 1);
  OK(ruv_lake_register(lake, files, &err));
  ruv_backend_free(files);
  OK(ruv_lake_look(lake, TEXT("files"), TEXT("f"), NULL, 0, 0, NULL, 0, &served, &index, &err));
  CHECK(served.generation.kind == RUV_GENERATION_TEXT && served.generation.length > 0);
  leased(index, 8, 8);
  OK(ruv_lake_stats(lake, &total, each, 4, &count, text, sizeof text, &length, &err));
  CHECK(count == 2 && total.entries == 2 && strcmp(text, "files\nf\nmemory\nc") == 0);
  CHECK(each[0].primes == 1 && each[1].warm_installs == 1);
  OK(ruv_lake_unregister(lake, TEXT("memory"), &count, &err));
  CHECK(count == 1);
  ruv_lake_free(lake);
  ruv_backend_free(memory);
}

/* A backend whose generations and rows the caller brings. */
static void pulls(void) {
  ruv_lake *lake = lake_over(NULL);
  ruv_pull *pull = NULL;
  ruv_index *index = NULL;
  static ruv_served served;
  static ruv_generation generation, since;
  uint64_t count;
  OK(ruv_lake_register_external(lake, TEXT("own"), &err));
  FAILS(RUV_STATUS_NEEDS_PRIME, ruv_lake_look(lake, TEXT("own"), TEXT("c"), NULL, 0, 0, NULL, 0, &served, &index, &err));
  OK(ruv_pull_begin_changes(lake, TEXT("own"), TEXT("c"), &since, &pull, &err));
  CHECK(pull == NULL);
  OK(ruv_pull_begin(lake, TEXT("own"), TEXT("c"), &pull, &err));
  OK(ruv_pull_expect(pull, ROWS, DIM, &err));
  OK(ruv_pull_add(pull, ROWS_OF(data[0], 100), NULL, 0, &err));
  FAILS(RUV_STATUS_DIMENSION_MISMATCH, ruv_pull_add(pull, data[0], 1, DIM - 1, sizeof data[0], NULL, 500, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_pull_remove(pull, (const int64_t[]){1}, 1, &err));
  ruv_pull_free(pull);
  FAILS(RUV_STATUS_NEEDS_PRIME, ruv_lake_look(lake, TEXT("own"), TEXT("c"), NULL, 0, 0, NULL, 0, &served, &index, &err));

  OK(ruv_pull_begin(lake, TEXT("own"), TEXT("c"), &pull, &err));
  OK(ruv_pull_add(pull, ROWS_OF(data[0], ROWS - 1), NULL, 0, &err));
  FAILS(RUV_STATUS_ARGUMENT, ruv_pull_commit(pull, NULL, NULL, &err));
  OK(ruv_pull_begin(lake, TEXT("own"), TEXT("c"), &pull, &err));
  OK(ruv_pull_add(pull, ROWS_OF(data[0], ROWS - 1), NULL, 0, &err));
  generation.kind = RUV_GENERATION_NUMBER;
  generation.number = 1;
  OK(ruv_pull_commit(pull, &generation, NULL, &err));
  FAILS(RUV_STATUS_NEEDS_GENERATION,
        ruv_lake_look(lake, TEXT("own"), TEXT("c"), NULL, 0, 0, NULL, 0, &served, &index, &err));
  OK(ruv_lake_is_current(lake, TEXT("own"), TEXT("c"), &generation, NULL, 0, &count, &err));
  CHECK(count == 1);
  FAILS(RUV_STATUS_ARGUMENT, ruv_lake_is_current(lake, TEXT("own"), TEXT("c"), NULL, NULL, 0, &count, &err));
  OK(ruv_lake_pushed_down(lake, TEXT("own"), TEXT("c"), &err));
  OK(ruv_lake_look(lake, TEXT("own"), TEXT("c"), &generation, 1, 0, NULL, 0, &served, &index, &err));
  leased(index, 5, 5);

  OK(ruv_pull_begin_changes(lake, TEXT("own"), TEXT("c"), &since, &pull, &err));
  CHECK(pull != NULL && since.kind == RUV_GENERATION_NUMBER && since.number == 1);
  generation.kind = RUV_GENERATION_TEXT;
  memcpy(generation.text, "two", generation.length = 3);
  OK(ruv_pull_snapshot(pull, &generation, &err));
  OK(ruv_pull_remove(pull, (const int64_t[]){5}, 1, &err));
  OK(ruv_pull_add(pull, ROWS_OF(data[ROWS - 1], 1), NULL, 7000, &err));
  OK(ruv_pull_commit(pull, NULL, NULL, &err));
  OK(ruv_lake_look(lake, TEXT("own"), TEXT("c"), &generation, 0, served.state, NULL, 0, &served, &index, &err));
  CHECK(served.rows == ROWS - 1);
  leased(index, ROWS - 1, 7000);
  generation.length = RUV_GENERATION_BYTES + 1;
  FAILS(RUV_STATUS_ARGUMENT,
        ruv_lake_look(lake, TEXT("own"), TEXT("c"), &generation, 0, 0, NULL, 0, &served, &index, &err));
  ruv_lake_free(lake);
  ruv_lake_free(NULL);

  int64_t ids[] = {4, 1, 4, 2};
  float scores[] = {3, 1, 2, 1};
  uint32_t parts[] = {0, 0, 1, 1};
  uint64_t hits;
  OK(ruv_merge(ids, scores, parts, 4, 3, 1, &hits, &err));
  CHECK(hits == 3 && ids[0] == 1 && ids[1] == 2 && ids[2] == 4 && scores[2] == 2 && parts[2] == 1);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: smoke <empty folder> <folder of golden files>\n");
    return 2;
  }
  uint32_t state = 12345;
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < DIM; j++) {
      state = state * 1664525u + 1013904223u;
      data[i][j] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
  }
  library();
  for (uint32_t kind = RUV_KIND_FLAT; kind <= RUV_KIND_IVF; kind++) search(kind);
  cells();
  change();
  adopt();
  files(arguments[1]);
  written_beyond_memory(arguments[1]);
  upstream_files(arguments[1]);
  iterate();
  filters();
  rotate();
  bad_input();
  null_pointers();
  panics();
  lakes(arguments[1]);
  pulls();
  golden(arguments[2], "search_l2.json", RUV_METRIC_L2);
  golden(arguments[2], "search_cosine.json", RUV_METRIC_COSINE);
  golden(arguments[2], "search_inner_product.json", RUV_METRIC_INNER_PRODUCT);
  CHECK(ruv_live_handles() == 0);
  puts("smoke: all as it should be");
  return 0;
}
