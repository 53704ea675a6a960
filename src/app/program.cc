#include "app/program.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <memory>
#include <mutex>

#include "alerts/api.h"
#include "alerts/delivery.h"
#include "alerts/inbox.h"
#include "alerts/stream.h"
#include "app/admin.h"
#include "app/archiver.h"
#include "app/breakers_api.h"
#include "app/collectors.h"
#include "app/commands/load_config.h"
#include "app/config/load.h"
#include "app/credentials.h"
#include "app/governance.h"
#include "app/http_handler.h"
#include "app/pages.h"
#include "app/readiness.h"
#include "app/signals.h"
#include "app/tracing.h"
#include "app/version.h"
#include "app/wiring.h"
#include "base/check.h"
#include "base/clock.h"
#include "clinical/definition.h"
#include "exec/worker_pool.h"
#include "io/file_system.h"
#include "journal/journal.h"
#include "net/client/client.h"
#include "net/server.h"
#include "observe/allocator.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/profile.h"
#include "security/audit.h"
#include "security/exposure.h"
#include "security/research_key.h"
#include "services/epro/api.h"
#include "services/epro/definitions.h"
#include "services/epro/effects.h"
#include "services/epro/intake.h"
#include "store/reader_pool.h"
#include "tasks/engine.h"
#include "wire/envelope.h"

namespace weir::app {
namespace {

constexpr int kTickMs = 1000;

std::string Address(const std::string& host, uint16_t port, bool tls = false) {
  if (host == "0.0.0.0" || host == "::") return Address("localhost", port, tls);
  const bool v6 = host.find(':') != std::string::npos;
  return (tls ? "https://" : "http://") + (v6 ? "[" + host + "]" : host) + ":" +
         std::to_string(port);
}

// An address that cannot be listened on is a matter of the keys that name it: kInvalidArgument.
base::Result<std::unique_ptr<net::Server>> Listen(const net::ServerOptions& options,
                                                  const net::Server::HandlerFactory& handler,
                                                  const std::string& prefix) {
  auto server = net::Server::Start(options, handler);
  if (server) return server;
  switch (server.error().code) {
    case base::ErrorCode::kAlreadyExists:
    case base::ErrorCode::kInvalidArgument:
    case base::ErrorCode::kPermission:
      return base::Fail(
          base::ErrorCode::kInvalidArgument,
          server.error().message + ": change " + prefix + "Host or " + prefix + "Port");
    default:
      return server;
  }
}

class Program {
 public:
  Program(config::Config config, const ConfigArguments& arguments, io::FileSystem& files)
      : config_(std::move(config)),
        arguments_(arguments),
        files_(files),
        clock_(base::SystemClock()) {}

  int Run() {
    const base::Status started = Start();
    if (!started) {
      if (log_)
        log_->Error("serve.start_failed", "the server did not start",
                    {observe::Because(started.error())});
      std::fprintf(stderr, "weir: %s\n", started.error().message.c_str());
      Stop();
      return started.error().code == base::ErrorCode::kInvalidArgument ? kWrongUsage : kFailed;
    }
    Announce();
    const int exit_code = Serve();
    Stop();
    return exit_code;
  }

 private:
  // In this order; Stop() goes back over what was reached.
  base::Status Start() {
    WEIR_ASSIGN_OR_RETURN(transport_, net::ChooseTransport(config_.net.transport));
    WEIR_RETURN_IF_ERROR(OpenDataDir());
    WEIR_RETURN_IF_ERROR(StartAdmin());
    WEIR_RETURN_IF_ERROR(OpenStores());
    WEIR_RETURN_IF_ERROR(StartTasks());
    WEIR_RETURN_IF_ERROR(StartServer());
    readiness_.SetReady();
    return {};
  }

  base::Status OpenDataDir() {
    WEIR_RETURN_IF_ERROR(files_.MakeDirectories(config_.data_dir));
    WEIR_ASSIGN_OR_RETURN(credentials_, Credentials::Load(config_, clock_));
    if (const auto refusal =
            security::CheckExposure({.host = config_.host,
                                     .admin_host = config_.admin.host,
                                     .tls = config_.tls.on(),
                                     .insecure_allow_public = config_.insecure_allow_public,
                                     .tokens_active = tokens().table()->active(clock_.WallMs())})) {
      return base::Fail(base::ErrorCode::kInvalidArgument, *refusal);
    }
    WEIR_ASSIGN_OR_RETURN(log_, observe::Log::Open(clock_, LogOptions(config_)));
    auto lock = files_.Lock(config_.data_dir);
    if (!lock) {
      return base::Fail(lock.error().code,
                        lock.error().message + ": end that one, or give this one another DataDir");
    }
    lock_ = std::move(*lock);
    WEIR_ASSIGN_OR_RETURN(auto key, security::ResearchKey::LoadOrCreate(config_.data_dir));
    research_key_ = std::make_unique<security::ResearchKey>(key);
    return {};
  }

  base::Status StartAdmin() {
    metrics_.Add(observe::CollectProcess);
    metrics_.Add(observe::BuildInfo(kVersion, config_.name));
    admin_helpers_ = std::make_unique<exec::WorkerPool>(
        exec::WorkerPool::Options{.name = "weir-admin", .threads = 3, .queue_max = 16});
    net::ServerOptions options;
    options.host = config_.admin.host;
    options.port = config_.admin.port;
    options.loops = 1;
    options.limits.connections_max = 64;
    const auto make = [this](net::Loop&) {
      return MakeAdminHandler(metrics_, readiness_, *admin_helpers_);
    };
    WEIR_ASSIGN_OR_RETURN(admin_, Listen(options, make, "Admin."));
    return {};
  }

  base::Status OpenStores() {
    readiness_.SetNotReady("recovering the journal");
    WEIR_ASSIGN_OR_RETURN(database_, OpenStore(config_));
    WEIR_ASSIGN_OR_RETURN(const base::Offset cursor, tasks::FurthestCursor(*database_));
    journal::Options options = config_.journal.options;
    options.directory = JournalDirectory(config_);
    options.cursor_max = cursor;
    WEIR_ASSIGN_OR_RETURN(journal_, journal::Journal::Open(files_, clock_, options));
    const journal::Recovery& recovery = journal_->recovery();
    log_->Info("journal.recovered", "the journal was recovered",
               {observe::AtOffset(recovery.end), observe::Flag("sealed", recovery.sealed),
                observe::DurationMs(recovery.duration_ms)});
    if (research_key_->created() && recovery.end > base::Offset(0)) {
      log_->Error("research.key_lost",
                  "the key of the research pseudonyms was missing: a new one was made, and every "
                  "patient gets another pseudonym");
    }
    if (recovery.torn_bytes > 0) {
      log_->Warn("journal.torn_tail", "the journal's last batch was torn and cut off",
                 {observe::AtOffset(recovery.end), observe::Bytes(recovery.torn_bytes),
                  observe::File(recovery.torn_file)});
    }
    journal_->SetFailureHandler([this](const base::Error& error) {
      log_->Error("journal.failed",
                  "a write to the journal failed: nothing is acknowledged any more",
                  {observe::Because(error)});
      readiness_.SetNotReady("the journal failed: " + error.message);
      journal_failed_.store(true);
    });
    WEIR_ASSIGN_OR_RETURN(readers_, store::ReaderPool::Open(*database_, config_.store.readers));
    WEIR_ASSIGN_OR_RETURN(auto catalog, clinical::Catalog::Load(InstrumentsDirectory(config_)));
    return definitions_.Install(*journal_, clock_, std::move(catalog));
  }

  base::Status StartTasks() {
    readiness_.SetNotReady("starting the tasks");
    WEIR_ASSIGN_OR_RETURN(auto routing, alerts::Routing::Build(RoutingOptions(config_)));
    inbox_ = std::make_unique<alerts::Inbox>(routing, clock_);
    WEIR_ASSIGN_OR_RETURN(stream_,
                          alerts::Stream::Start({.subscribers_max = config_.http.streams_max,
                                                 .heartbeat_ms = config_.http.stream_keepalive_ms},
                                                *database_, clock_, *log_));
    WEIR_ASSIGN_OR_RETURN(client_,
                          net::Client::Start({.connections_max = config_.alerts.max_in_flight + 8,
                                              .user_agent = std::string("weir/") + kVersion}));
    breakers_ = std::make_unique<guard::Breakers>(
        BreakersOptions(config_), [this](const guard::BreakerStatus& status) { Tell(status); });
    WEIR_ASSIGN_OR_RETURN(tracing_, Tracing::Start(config_, *breakers_, clock_));
    WEIR_ASSIGN_OR_RETURN(
        delivery_, alerts::DeliveryEngine::Start(
                       DeliveryOptions(config_, clock_), routing,
                       {*database_, *journal_, *client_, clock_, *log_, *breakers_, spans()}));
    inbox_->SetListener([this] {
      stream_->Notify();
      delivery_->Notify();
    });
    WEIR_ASSIGN_OR_RETURN(
        service_,
        epro::MakeEffects({.master_key = std::string(research_key_->bytes())}, *journal_, *inbox_));
    WEIR_ASSIGN_OR_RETURN(engine_, tasks::Engine::Open(EngineOptions(config_), *journal_,
                                                       *database_, *service_, clock_, spans()));
    WEIR_RETURN_IF_ERROR(engine_->Start());
    archiver_ = std::make_unique<Archiver>(config_.journal.archive,
                                           Archiver::Parts{*journal_, *engine_, clock_, *log_});
    for (const std::string& task : config_.tasks.paused.names) PauseByConfiguration(task);
    return {};
  }

  // The same word an operator would give, in the journal, so that resuming it is one too.
  void PauseByConfiguration(const std::string& task) {
    journal::RecordHeader header;
    header.kind = static_cast<uint16_t>(wire::Kind::kTaskState);
    header.flags = journal::kControl;
    header.time_ms = clock_.WallMs();
    header.sha256 = base::Sha256({});
    journal_->AppendAndWait(header, wire::Encode(wire::TaskStateHead{task, true, "configuration"}),
                            {});
  }

  base::Status StartServer() {
    WEIR_ASSIGN_OR_RETURN(governance_, Governance::Make(config_, clock_));
    helpers_ = std::make_unique<exec::WorkerPool>(
        exec::WorkerPool::Options{.name = "weir-help", .threads = config_.tasks.max_workers});
    audit_ = std::make_unique<security::AuditTrail>(*journal_, clock_);
    net::ServerOptions options;
    options.host = config_.host;
    options.port = config_.port;
    options.loops = config_.http.loops;
    options.transport = transport_;
    options.tls = credentials_->tls();
    options.limits = config_.http.limits;
    const auto make = [this](net::Loop& loop) { return MakeHandler(loop); };
    WEIR_ASSIGN_OR_RETURN(server_, Listen(options, make, ""));
    // Taken now: a scrape runs on another thread than a reload of the configuration.
    const bool of_server = config_.middlewares.prometheus;
    metrics_.Add([this, of_server](observe::Sample& sample) { Collect(of_server, sample); });
    return {};
  }

  void Tell(const guard::BreakerStatus& status) {
    if (status.state == guard::BreakerState::kOpen) {
      log_->Warn("breaker.opened", "calls to a dependency are held back",
                 {observe::Target(status.name)});
    } else if (status.state == guard::BreakerState::kHalfOpen) {
      log_->Info("breaker.half_open", "a few calls try whether a dependency is well again",
                 {observe::Target(status.name)});
    } else {
      log_->Info("breaker.closed", "calls to a dependency go out again",
                 {observe::Target(status.name)});
    }
  }

  security::TokenStore& tokens() { return credentials_->tokens(); }
  observe::SpanQueue* spans() { return tracing_ ? tracing_->queue() : nullptr; }

  std::unique_ptr<net::Handler> MakeHandler(net::Loop& loop) {
    guard::Gate& gate = governance_->GateOf(loop);
    epro::IntakeOptions options = IntakeOptions(config_);
    options.spans = spans();
    auto intake = std::make_unique<epro::Intake>(loop, *journal_, definitions_, *helpers_, clock_,
                                                 gate, governance_->limits(), options);
    epro::Intake& of_loop = *intake;
    HttpHandler::Parts parts;
    parts.routes = epro::IntakeRoutes(of_loop);
    const auto add = [&parts](std::vector<security::Route> routes) {
      std::ranges::move(routes, std::back_inserter(parts.routes));
    };
    const epro::ApiParts reports{*journal_, *readers_, *helpers_,         *audit_,
                                 clock_,    *engine_,  Schedules(config_)};
    add(epro::ReportRoutes(reports));
    add(epro::StudyRoutes(reports));
    add(epro::TaskRoutes(reports));
    add(BreakerRoutes({*breakers_, *helpers_, *audit_, clock_}));
    add(alerts::ApiRoutes({*readers_, *helpers_, *audit_, *stream_, *journal_, clock_, tokens()}));
    parts.open_routes = PageRoutes();
    parts.continue_traces = config_.middlewares.trace;
    parts.spans = spans();
    parts.sample_share = tracing_ ? config_.trace.sample_share : 0;
    parts.deadline_ms = config_.http.request_timeout_ms;
    parts.deadline_ms_max = config_.http.request_timeout_max_ms;
    parts.gate = &gate;
    parts.limits = &governance_->limits();
    if (config_.middlewares.prometheus) parts.times = &governance_->TimesOf(loop);
    parts.log = log_.get();
    parts.access_share = &governance_->access_share();
    parts.trusted_proxies = [this] { return governance_->trusted_proxies(); };
    parts.turn_end = [&of_loop] { return of_loop.OnTurnEnd(); };
    parts.idle = [&of_loop] { of_loop.HandOver(); };
    const std::lock_guard lock(intakes_mutex_);
    intakes_.push_back(std::move(intake));
    return std::make_unique<HttpHandler>(tokens(), clock_, std::move(parts));
  }

  void Collect(bool of_server, observe::Sample& sample) {
    CollectJournal(journal_->stats(), sample);
    if (of_server) {
      CollectServer(server_->stats(), sample);
      governance_->CollectTimes(sample);
    }
    CollectTasks(engine_->status(), engine_->stats(), sample);
    CollectAlerts(delivery_->stats(), stream_->stats(), sample);
    const std::lock_guard lock(intakes_mutex_);
    std::vector<const epro::IntakeStats*> intakes;
    for (const auto& intake : intakes_) intakes.push_back(&intake->stats());
    CollectIntake(intakes, sample);
    governance_->Collect(sample);
    if (credentials_->tls()) CollectTls(*credentials_->tls(), sample);
    CollectBreakers(breakers_->List(clock_.SteadyNs()), sample);
    if (tracing_) tracing_->Collect(sample);
    CollectLog(log_->stats(), sample);
  }

  void Announce() {
    const std::string url = Address(config_.host, server_->port(), config_.tls.on());
    const bool open = tokens().table()->size() == 0;
    std::printf(
        "Weir %s is ready.\n"
        "  open    %s/\n"
        "  watch   %s/metrics\n"
        "  try     curl -s%s %s/submit -H 'Content-Type: application/json'%s \\\n"
        "            -d '{\"report_id\":\"r1\",\"patient_id\":\"p1\",\"data\":\"free text\"}'\n"
        "  data    %s, %llu records in the journal\n"
        "  limit   %zu connections\n"
        "  sockets %s\n",
        kVersion, url.c_str(), Address(config_.admin.host, admin_->port()).c_str(),
        config_.tls.on() ? (" --cacert " + config_.tls.cert_file).c_str() : "", url.c_str(),
        open ? "" : " -H \"Authorization: Bearer $WEIR_TOKEN\"", config_.data_dir.c_str(),
        static_cast<unsigned long long>(journal_->durable_end().value()),
        server_->connections_max(), net::Name(transport_).data());
    if (open) {
      std::printf(
          "  access  open to every program of this machine: there are no tokens "
          "(weir tokens add NAME)\n");
    }
    std::fflush(stdout);
    log_->Info("serve.ready", "the server is ready",
               {observe::Listening(config_.host, server_->port()),
                transport_ == net::TransportKind::kUring ? observe::Word("transport", "io_uring")
                                                         : observe::Word("transport", "epoll"),
                observe::Count("connections_max", server_->connections_max())});
  }

  int Serve() {
    while (!journal_failed_.load()) {
      const int signal = signals_.Wait(kTickMs);
      if (signal == SIGHUP) Reload();
      if (signal == SIGTERM || signal == SIGINT) {
        log_->Info("serve.stopping", "the server stops", {observe::Signal(signal)});
        return kDone;
      }
      archiver_->Tick();
      observe::ReleaseFreePages(config_.memory.free_bytes_max);
      credentials_->ReloadChanged(*log_);
    }
    return kFailed;
  }

  void Reload() {
    const auto fresh = LoadConfig(arguments_);
    if (!fresh) {
      log_->Error("config.reload_refused", "the configuration is wrong; the one of before stays");
      return;
    }
    const config::Changes changes = config::Compare(config_, *fresh);
    for (const std::string& key : changes.reloadable) {
      log_->Info("config.reloaded", "a key was reloaded", {observe::ConfigKey(key)});
    }
    for (const std::string& key : changes.needs_restart) {
      log_->Warn("config.needs_restart", "a changed key takes effect at the next start",
                 {observe::ConfigKey(key)});
    }
    config_ = config::Reloaded(config_, *fresh);
    if (const auto level = observe::ParseLevel(config_.log.level)) log_->SetLevel(*level);
    observe::BoundThreadCaches(config_.memory.thread_cache_bytes_max);
    // It was checked with the whole configuration.
    WEIR_CHECK(governance_->Reload(config_, *server_).has_value());
    breakers_->Configure(BreakersOptions(config_), clock_.SteadyNs());
    if (const auto installed = ReloadInstruments(); !installed) {
      log_->Error("instruments.reload_refused", "the instruments of before stay in force",
                  {observe::Because(installed.error())});
    }
    credentials_->Reload(*log_);
    log_->Info("config.reload_done", "all that was not refused has been reloaded",
               {observe::Count("reloaded", changes.reloadable.size()),
                observe::Count("needs_restart", changes.needs_restart.size())});
  }

  base::Status ReloadInstruments() {
    WEIR_ASSIGN_OR_RETURN(auto catalog, clinical::Catalog::Load(InstrumentsDirectory(config_)));
    const auto before = definitions_.current();
    WEIR_RETURN_IF_ERROR(definitions_.Install(*journal_, clock_, catalog));
    for (const auto& definition : catalog->all()) {
      const clinical::Definition* const known = before->Find(definition->name());
      if (known && known->hash() == definition->hash()) continue;
      log_->Info("instruments.reloaded", "a new version of an instrument is in force",
                 {observe::Instrument(definition->name()),
                  observe::DefinitionHash(definition->hash().hex())});
    }
    return {};
  }

  // The order of docs/architecture.md; each step only if its part was started.
  void Stop() {
    readiness_.SetNotReady("stopping");
    metrics_.Clear();  // what it looks at goes before the administration server
    metrics_.Add(observe::CollectProcess);
    if (archiver_) archiver_->Stop();
    if (stream_) stream_->Close();
    if (server_) server_->Stop(config_.shutdown.drain_ms);
    if (helpers_) helpers_->Stop(config_.shutdown.drain_ms);
    if (delivery_) delivery_->Stop();
    client_.reset();
    if (engine_) engine_->Stop();
    if (journal_) {
      if (auto stopped = journal_->Stop(); !stopped && log_) {
        log_->Error("journal.stop_failed", "the journal's end could not be sealed",
                    {observe::Because(stopped.error())});
      }
    }
    server_.reset();
    intakes_.clear();
    engine_.reset();
    delivery_.reset();
    stream_.reset();
    readers_.reset();
    service_.reset();
    database_.reset();
    if (tracing_) tracing_->Stop();
    if (log_) log_->Info("serve.stopped", "the server has stopped");
    if (admin_) admin_->Stop(0);
    admin_.reset();
    admin_helpers_.reset();
    if (log_) log_->Flush();
  }

  config::Config config_;
  const ConfigArguments& arguments_;
  io::FileSystem& files_;
  const base::Clock& clock_;
  const Signals signals_;
  std::unique_ptr<observe::Log> log_;
  std::unique_ptr<io::DirectoryLock> lock_;
  observe::Metrics metrics_;
  Readiness readiness_;
  std::atomic<bool> journal_failed_{false};
  std::unique_ptr<Credentials> credentials_;
  std::unique_ptr<security::ResearchKey> research_key_;
  std::unique_ptr<exec::WorkerPool> admin_helpers_;
  std::unique_ptr<net::Server> admin_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<store::ReaderPool> readers_;
  epro::Definitions definitions_;
  std::unique_ptr<alerts::Inbox> inbox_;
  std::unique_ptr<alerts::Stream> stream_;
  std::unique_ptr<net::Client> client_;
  std::unique_ptr<guard::Breakers> breakers_;
  std::unique_ptr<Tracing> tracing_;  // null: nothing is exported
  std::unique_ptr<alerts::DeliveryEngine> delivery_;
  std::unique_ptr<tasks::Service> service_;
  std::unique_ptr<tasks::Engine> engine_;
  std::unique_ptr<Archiver> archiver_;
  std::unique_ptr<exec::WorkerPool> helpers_;
  std::unique_ptr<security::AuditTrail> audit_;
  std::mutex intakes_mutex_;
  std::vector<std::unique_ptr<epro::Intake>> intakes_;  // guarded by intakes_mutex_
  std::unique_ptr<Governance> governance_;
  net::TransportKind transport_ = net::TransportKind::kEpoll;
  std::unique_ptr<net::Server> server_;
};

}  // namespace

int RunServer(config::Config config, const ConfigArguments& arguments, io::FileSystem& files) {
  observe::EnableHeapSampling();
  observe::BoundThreadCaches(config.memory.thread_cache_bytes_max);
  return Program(std::move(config), arguments, files).Run();
}

}  // namespace weir::app
