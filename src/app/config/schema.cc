// The table itself. Order is that of docs/configuration.md.
#include "app/config/schema.h"

#include "app/config/schema_table.h"
#include "clinical/json_reader.h"

namespace weir::config {
namespace {

void AddServer(Table& t) {
  t.Add("Name", Type::kText, "Name of this instance, in metrics and traces.", [](Config& c) {
     return &c.name;
   }).Also({"Rest.Name"});
  t.Add("Host", Type::kText,
        "Address to listen on. Off loopback the server starts only with TLS or "
        "InsecureAllowPublic, and with a token in force.",
        [](Config& c) { return &c.host; })
      .Also({"Rest.Host"});
  t.Add("Port", Type::kInteger, "Port to listen on. 0: the system's choice, told at the start.",
        [](Config& c) { return &c.port; })
      .Between(0, 65535)
      .Also({"Rest.Port"});
  t.Add("Admin.Host", Type::kText,
        "Address of the administration server: metrics, readiness, profiles. It asks for no token: "
        "keep it on loopback.",
        [](Config& c) { return &c.admin.host; })
      .Also({"DevServer.Host", "Prometheus.Host"});
  t.Add("Admin.Port", Type::kInteger, "Port of the administration server. 0: the system's choice.",
        [](Config& c) { return &c.admin.port; })
      .Between(0, 65535)
      .Also({"DevServer.Port", "Prometheus.Port"});
  t.Add("DataDir", Type::kText,
        "Directory of everything that the server keeps: `journal`, `weir.db`, `tokens.json`, "
        "`keys`. Made if missing; one server at a time.",
        [](Config& c) { return &c.data_dir; });
  t.Add("InsecureAllowPublic", Type::kBool,
        "Lets the server listen off loopback without TLS: only behind a proxy that speaks TLS.",
        [](Config& c) { return &c.insecure_allow_public; });
}

void AddTls(Table& t) {
  t.Add("Tls.CertFile", Type::kText,
        "PEM file of the server's certificate, then those that sign it. With Tls.KeyFile: the "
        "server speaks TLS on Port, and nothing else. Read anew when the files change, and on "
        "SIGHUP.",
        [](Config& c) { return &c.tls.cert_file; })
      .Also({"CertFile", "Rest.CertFile"});
  t.Add("Tls.KeyFile", Type::kText, "PEM file of its key, without a passphrase.", [](Config& c) {
     return &c.tls.key_file;
   }).Also({"KeyFile", "Rest.KeyFile"});
  t.Add("Tls.MinVersion", Type::kText, "The oldest version that is spoken.", [](Config& c) {
     return &c.tls.min_version;
   }).Words({"1.2", "1.3"});
  t.Add("Tls.ClientAuth", Type::kText,
        "Whether clients show a certificate, too: none, optional or required. A token may be bound "
        "to one (`weir tokens add --certificate-sha256`).",
        [](Config& c) { return &c.tls.client_auth; })
      .Words({"none", "optional", "required"});
  t.Add("Tls.ClientCa", Type::kText, "PEM file of those who sign clients' certificates.",
        [](Config& c) { return &c.tls.client_ca; });
  t.Add("Tls.TicketRotation", Type::kDuration,
        "How often the keys of session tickets change. A ticket is good for at most twice as long, "
        "and until the server ends.",
        [](Config& c) { return &c.tls.ticket_rotation_ms; })
      .Between(1'000, kDay);
  t.Add("Tls.HandshakesMax", Type::kInteger,
        "Handshakes under way, of one loop; further connections wait, unread, and without being "
        "timed. While any waits, a handshake is cut off after 3 s.",
        [](Config& c) { return &c.tls.handshakes_max; })
      .Between(1, 100'000);
}

void AddHttp(Table& t) {
  t.Add("Net.Transport", Type::kText,
        "How sockets are reached: epoll, io_uring (an error where it does not work), or auto: "
        "io_uring where it works. Told at the start.",
        [](Config& c) { return &c.net.transport; })
      .Words({"auto", "epoll", "io_uring"});
  t.Add("Http.Loops", Type::kInteger, "Event loops. 0: one per core.", [](Config& c) {
     return &c.http.loops;
   }).Between(0, 256);
  t.Add("Http.ConnectionsMax", Type::kInteger,
        "Open connections; more are accepted and closed at once. 0: the descriptor limit less 512.",
        [](Config& c) { return &c.http.limits.connections_max; })
      .Between(0, kMillion);
  t.Add("Http.HeaderBytesMax", Type::kSize, "A request's header; more gets 431.", [](Config& c) {
     return &c.http.limits.header_bytes_max;
   }).Between(1024, kMiB);
  t.Add("Http.BodyBytesMax", Type::kSize, "A request's body after decompression; more gets 413.",
        [](Config& c) { return &c.http.limits.body_bytes_max; })
      .Between(1024, kGiB)
      .Also({"MaxBytes", "Rest.MaxBytes"});
  t.Add("Http.StreamedBodyBytesMax", Type::kSize,
        "A body that is taken in pieces (batches), after decompression.",
        [](Config& c) { return &c.http.limits.streamed_body_bytes_max; })
      .Between(1024, kTiB);
  t.Add("Http.BodyMemoryBytesMax", Type::kSize,
        "Bodies that have arrived in part, of all connections together. Past it connections that "
        "have "
        "sent some are not read until there is room again; past an eighth more they get 503.",
        [](Config& c) { return &c.http.limits.body_memory_bytes_max; })
      .Between(kMiB, kTiB);
  t.Add(
       "Http.AnswerMemoryBytesMax", Type::kSize,
       "Answers that clients have not taken yet, of all connections together; further ones of more "
       "than 16 KiB get 503.",
       [](Config& c) { return &c.http.limits.answer_memory_bytes_max; })
      .Between(kMiB, kTiB);
  t.Add("Http.SendBufferBytesMax", Type::kSize,
        "Of one connection, answers that its client has not taken yet.",
        [](Config& c) { return &c.http.limits.send_buffer_bytes_max; })
      .Between(4096, kGiB);
  t.Add("Http.PipelineMax", Type::kInteger,
        "Requests of one connection that are not answered yet; then it is not read.",
        [](Config& c) { return &c.http.limits.pipeline_max; })
      .Between(1, 10'000);
  t.Add("Http.FirstByteTimeout", Type::kDuration,
        "From accepting a connection to its first byte; over TLS, to that of its first request.",
        [](Config& c) { return &c.http.limits.first_byte_timeout_ms; })
      .Between(1, kDay);
  t.Add("Http.HeaderTimeout", Type::kDuration, "From a request's first byte to its header's end.",
        [](Config& c) { return &c.http.limits.header_timeout_ms; })
      .Between(1, kDay);
  t.Add("Http.BodyTimeout", Type::kDuration, "From the header's end to the body's end.",
        [](Config& c) { return &c.http.limits.body_timeout_ms; })
      .Between(1, kDay);
  t.Add("Http.IdleTimeout", Type::kDuration, "Between two requests of a connection.",
        [](Config& c) { return &c.http.limits.idle_timeout_ms; })
      .Between(1, kDay);
  t.Add("Http.SendTimeout", Type::kDuration, "While an answer waits to be taken, without progress.",
        [](Config& c) { return &c.http.limits.send_timeout_ms; })
      .Between(1, kDay);
  t.Add("Http.RequestTimeout", Type::kDuration,
        "From when a request has arrived whole to its answer, for clients that send no "
        "X-Request-Timeout-Ms (which counts from a request's first byte); then 504, what is still "
        "being read is cancelled, and sending again is safe. An export ends only at a deadline "
        "that its caller has given.",
        [](Config& c) { return &c.http.request_timeout_ms; })
      .Between(1, kDay)
      .Also({"Timeout", "Rest.Timeout"});
  t.Add("Http.RequestTimeoutMax", Type::kDuration,
        "The most that X-Request-Timeout-Ms may ask for.",
        [](Config& c) { return &c.http.request_timeout_max_ms; })
      .Between(1, kDay);
  t.Add("Http.BatchLineBytesMax", Type::kSize,
        "One line of a batch; more is answered 413 in its place.",
        [](Config& c) { return &c.http.batch_line_bytes_max; })
      .Between(1024, kGiB);
  t.Add("Http.BatchLinesWaitingMax", Type::kInteger,
        "Lines of a batch that are read and not yet answered; then it is not read.",
        [](Config& c) { return &c.http.batch_lines_waiting_max; })
      .Between(1, kMillion);
  t.Add("Http.BatchesMax", Type::kInteger, "Batches that one loop takes at once; more get 503.",
        [](Config& c) { return &c.http.batches_max; })
      .Between(1, 100'000);
  t.Add("Http.JsonDepthMax", Type::kInteger, "Levels of a report's JSON; more gets 400.",
        [](Config& c) { return &c.http.json_depth_max; })
      .Between(4, clinical::JsonReader::kDepthMax);  // by which answers are read
  t.Add("Http.IdBytesMax", Type::kInteger, "Bytes of an id (report, patient, study, site, doctor).",
        [](Config& c) { return &c.http.id_bytes_max; })
      .Between(16, 1024);
  t.Add("Http.StreamKeepalive", Type::kDuration,
        "A silent event stream gets a comment this often, so that proxies keep it open.",
        [](Config& c) { return &c.http.stream_keepalive_ms; })
      .Between(100, kDay);
  t.Add("Http.StreamsMax", Type::kInteger, "Event streams open at once; more get 503.",
        [](Config& c) { return &c.http.streams_max; })
      .Between(1, 100'000);
}

void AddHttp2(Table& t) {
  t.Add("Http2.StreamsMax", Type::kInteger,
        "Requests of one HTTP/2 connection at once; the client waits with more.",
        [](Config& c) { return &c.http.limits.http2_streams_max; })
      .Between(1, 10'000);
  t.Add("Http2.ResetsMax", Type::kInteger,
        "Requests that an HTTP/2 client may take back within a second; more ends its connection.",
        [](Config& c) { return &c.http.limits.http2_resets_max; })
      .Between(1, kMillion);
  t.Add(
       "Http2.IdleFramesMax", Type::kInteger,
       "Frames that ask for nothing (pings, settings, empty data) within a second, beyond four per "
       "request; more ends the connection.",
       [](Config& c) { return &c.http.limits.http2_idle_frames_max; })
      .Between(1, kMillion);
}

void AddJournal(Table& t) {
  t.Add("Journal.SegmentBytes", Type::kSize,
        "Size of a segment file, which is reserved when it is made.",
        [](Config& c) { return &c.journal.options.segment_bytes; })
      .Between(64 * 1024, 4 * kGiB);
  t.Add("Journal.BatchBytesMax", Type::kSize,
        "Records that are written and synced together, in bytes.",
        [](Config& c) { return &c.journal.options.batch_bytes_max; })
      .Between(4096, kGiB);
  t.Add("Journal.BatchRecordsMax", Type::kInteger, "Records that are written and synced together.",
        [](Config& c) { return &c.journal.options.batch_records_max; })
      .Between(1, kMillion);
  t.Add("Journal.PendingBytesMax", Type::kSize,
        "Records that wait for the disk; more are refused with 503.",
        [](Config& c) { return &c.journal.options.pending_bytes_max; })
      .Between(kMiB, kTiB);
  t.Add("Journal.CachedBytesMax", Type::kSize,
        "How much of what was written last stays in the system's memory, of 64 segments at most; "
        "what is older is read from the disk.",
        [](Config& c) { return &c.journal.options.cached_bytes_max; })
      .Between(0, kTiB);
  t.Add("Journal.Compress", Type::kBool, "Compress batches (zstd level 1) where that pays.",
        [](Config& c) { return &c.journal.options.compress; });
  t.Add("Journal.ConflictsPerKeyMax", Type::kInteger,
        "Different bodies kept under one report_id, besides the first.",
        [](Config& c) { return &c.journal.options.conflicts_per_key_max; })
      .Between(0, 1000);
  t.Add("Journal.RecentKeysMax", Type::kInteger,
        "Keys of the dedupe index in memory, before they move to disk; each takes about 60 bytes.",
        [](Config& c) { return &c.journal.options.recent_keys_max; })
      .Between(1024, 100 * kMillion);
  t.Add("Journal.Archive.Directory", Type::kText,
        "Where sealed and fully applied segments are moved, once their keys have left memory "
        "(Journal.RecentKeysMax). Empty: they stay.",
        [](Config& c) { return &c.journal.archive.directory; });
  t.Add("Journal.Archive.AfterDays", Type::kInteger, "Age in days from which a segment is moved.",
        [](Config& c) { return &c.journal.archive.after_days; })
      .Between(0, 36'500);
}

void AddStoreAndTasks(Table& t) {
  t.Add("Store.CacheBytes", Type::kSize, "Page cache of the store's writer.", [](Config& c) {
     return &c.store.sqlite.cache_bytes;
   }).Between(kMiB, kTiB);
  t.Add("Store.SizeBytesMax", Type::kSize,
        "Size at which the store counts as full: tasks stall. 0: bounded by the disk alone.",
        [](Config& c) { return &c.store.sqlite.size_bytes_max; })
      .Between(0, 1024 * kTiB);
  t.Add("Store.Readers", Type::kInteger, "Connections for the API's reads.", [](Config& c) {
     return &c.store.readers;
   }).Between(1, 64);
  t.Add("Tasks.MaxWorkers", Type::kInteger, "Threads for work that waits on others.",
        [](Config& c) { return &c.tasks.max_workers; })
      .Between(1, 1000);
  t.Add("Tasks.ComputeWorkers", Type::kInteger,
        "Threads that read, score and assess. 0: one per core.",
        [](Config& c) { return &c.tasks.engine.workers; })
      .Between(0, 256);
  t.Add("Tasks.MaxQueue", Type::kInteger,
        "Records read from the journal and not yet applied; the rest waits in the journal.",
        [](Config& c) { return &c.tasks.engine.queue_records_max; })
      .Between(100, kMillion);
  t.Add("Tasks.MaxQueueBytes", Type::kSize, "The same, in bytes of the records.", [](Config& c) {
     return &c.tasks.engine.queue_bytes_max;
   }).Between(kMiB, kTiB);
  t.Add("Tasks.WindowRecordsMax", Type::kInteger, "Records applied in one transaction, at most.",
        [](Config& c) { return &c.tasks.engine.window_records_max; })
      .Between(1, 100'000);
  t.Add("Tasks.WindowTarget", Type::kDuration,
        "How long a transaction should take; windows grow and shrink to it.",
        [](Config& c) { return &c.tasks.engine.window_target_ms; })
      .Between(1, 60'000);
  t.Add("Tasks.Linger", Type::kDuration, "How long a small window may wait to become larger.",
        [](Config& c) { return &c.tasks.engine.linger_ms; })
      .Between(0, 60'000);
  t.Add("Tasks.ExpressGap", Type::kDuration,
        "Between looks at the express lane while reports arrive.",
        [](Config& c) { return &c.tasks.engine.express_gap_ms; })
      .Between(1, 60'000);
  t.Add("Tasks.RetryFirst", Type::kDuration,
        "A stalled task tries again after this, then after twice as long, and so on.",
        [](Config& c) { return &c.tasks.engine.retry_first_ms; })
      .Between(1, kDay);
  t.Add("Tasks.RetryMax", Type::kDuration, "The longest such wait.", [](Config& c) {
     return &c.tasks.engine.retry_max_ms;
   }).Between(1, kDay);
  t.Add("Tasks.Nice", Type::kInteger,
        "Priority of the tasks' threads, so that intake goes first: 0 (equal) to 19 (last).",
        [](Config& c) { return &c.tasks.engine.nice; })
      .Between(0, 19);
  t.Add("Tasks.Paused", Type::kPaused,
        "Tasks that do not run: all, or those listed. Reports are taken all the same.",
        [](Config& c) { return &c.tasks.paused; })
      .Words({"cleanse", "assess", "alert", "analytics", "research", "diary"});
  t.Add("Instruments.Directory", Type::kText,
        "Questionnaires and their rules: NAME.json with NAME.rules.yaml beside it.",
        [](Config& c) { return &c.instruments_directory; })
      .Reloadable();
}

void AddMemory(Table& t) {
  t.Add("Memory.FreeBytesMax", Type::kSize,
        "Freed memory, in whole pages, that is kept for use again; what is more is the system's "
        "again within a second.",
        [](Config& c) { return &c.memory.free_bytes_max; })
      .Between(0, kTiB)
      .Reloadable();
  t.Add("Memory.ThreadCacheBytesMax", Type::kSize,
        "Freed memory that threads keep for themselves, all together.",
        [](Config& c) { return &c.memory.thread_cache_bytes_max; })
      .Between(512 * 1024, kGiB)
      .Reloadable();
}

void AddLogAndShutdown(Table& t) {
  t.Add("Log.Level", Type::kText, "The least level that is written.",
        [](Config& c) { return &c.log.level; })
      .Words({"debug", "info", "warn", "error", "off"})
      .Reloadable();
  t.Add("Log.File", Type::kText, "File for the log. Empty: stderr.",
        [](Config& c) { return &c.log.file; });
  t.Add("Log.FileBytesMax", Type::kSize, "Size at which the file rotates.", [](Config& c) {
     return &c.log.file_bytes_max;
   }).Between(4096, kTiB);
  t.Add("Log.FilesMax", Type::kInteger, "Files kept, with the current one.", [](Config& c) {
     return &c.log.files_max;
   }).Between(1, 1000);
  t.Add("Log.Burst", Type::kInteger, "Lines of one event written at once.", [](Config& c) {
     return &c.log.burst;
   }).Between(1, kMillion);
  t.Add("Log.PerSecond", Type::kReal, "Lines of one event per second in the long run.",
        [](Config& c) { return &c.log.per_second; })
      .Between(0.001, kMillion);
  t.Add("Log.AccessShare", Type::kReal,
        "Share of the answers, refusals included, that are logged with route, status, duration "
        "and the trace's id, within Log.Burst and Log.PerSecond. 0: none, 1: all; what is answered "
        "5xx after it was let in is logged always, within the same.",
        [](Config& c) { return &c.log.access_share; })
      .Between(0, 1)
      .SwitchedBy({"Middlewares.Log", "Rest.Middlewares.Log"})
      .Reloadable();
  t.Add("Shutdown.Drain", Type::kDuration,
        "How long answers in progress may take when the server stops.",
        [](Config& c) { return &c.shutdown.drain_ms; })
      .Between(0, 3'600'000)
      .Also({"Shutdown.WaitTime"})
      .Reloadable();
}

}  // namespace

const std::vector<Key>& Schema() {
  static const std::vector<Key> keys = [] {
    Table table;
    AddServer(table);
    AddGuard(table);
    AddTls(table);
    AddHttp(table);
    AddHttp2(table);
    AddJournal(table);
    AddStoreAndTasks(table);
    AddAlerts(table);
    AddStudies(table);
    AddTrace(table);
    AddMemory(table);
    AddLogAndShutdown(table);
    return table.Take();
  }();
  return keys;
}

}  // namespace weir::config
