#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "app/config/document.h"
#include "app/config/go_zero.h"
#include "app/config/load.h"
#include "app/config/schema.h"
#include "app/config/values.h"

namespace weir::config {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Loaded FromYaml(std::string yaml) { return Load({.file = "weir.yaml", .yaml = std::move(yaml)}); }
Loaded FromSets(std::vector<std::string> sets) { return Load({.sets = std::move(sets)}); }

constexpr const char* kFull = R"(
Name: ward-7
Port: 9080
Admin: {Port: 9081}
DataDir: /srv/weir
Rest:
  Middlewares:
    Shedder: false
Journal:
  SegmentBytes: 64MiB
Tasks:
  Paused: [diary, alert]
  RetryFirst: 2s
Alerts:
  EscalateAfter: 15m
  EscalationTarget: lead
  Targets:
    lead: {Url: "https://example.org/hook", Secret: "s3cret value"}
    ward: {Url: "http://127.0.0.1:9999/", Secret: other}
  Routes:
    - Doctor: d1
      Targets: [ward, lead]
    - Targets: lead
Studies:
  s-1:
    Schedule: {EveryDays: 7, Start: 2026-11-24}
Log:
  PerSecond: 0.5
)";

TEST(Config, ReadsEveryKindOfValue) {
  const Loaded loaded = FromYaml(kFull);
  ASSERT_THAT(loaded.errors, IsEmpty());
  const Config& config = loaded.config;
  EXPECT_EQ(config.name, "ward-7");
  EXPECT_EQ(config.port, 9080);
  EXPECT_EQ(config.admin.port, 9081);
  EXPECT_EQ(config.host, "127.0.0.1") << "not given: the default";
  EXPECT_FALSE(config.middlewares.shedder);
  EXPECT_EQ(config.journal.options.segment_bytes, 64u << 20);
  EXPECT_TRUE(config.tasks.paused.Contains("alert"));
  EXPECT_FALSE(config.tasks.paused.Contains("assess"));
  EXPECT_EQ(config.tasks.engine.retry_first_ms, 2000);
  EXPECT_EQ(config.alerts.escalate_after_ms, 900'000);
  EXPECT_EQ(config.alerts.targets.at("lead").secret, "s3cret value");
  ASSERT_EQ(config.alerts.routes.size(), 2u);
  EXPECT_EQ(config.alerts.routes[0].doctor, "d1");
  EXPECT_THAT(config.alerts.routes[0].targets, ElementsAre("ward", "lead"));
  EXPECT_THAT(config.alerts.routes[1].targets, ElementsAre("lead"));
  EXPECT_EQ(config.studies.at("s-1").schedule.every_days, 7);
  EXPECT_EQ(config.log.per_second, 0.5);
}

TEST(Config, AnEmptyFileIsAllDefaults) {
  EXPECT_TRUE(FromYaml("").ok());
  EXPECT_TRUE(FromYaml("# nothing\n").ok());
  EXPECT_EQ(Show(FromYaml("").config), Show(Config{}));
}

TEST(Config, WhatItShowsItReadsBack) {
  const Loaded loaded = FromYaml(kFull);
  const std::string shown = Show(loaded.config);
  const Loaded again = FromYaml(shown);
  EXPECT_THAT(again.errors, IsEmpty()) << shown;
  EXPECT_EQ(Show(again.config), shown);
}

TEST(Config, MasksSecretsWhereItShowsItself) {
  const std::string shown = Show(FromYaml(kFull).config);
  EXPECT_THAT(shown, Not(HasSubstr("s3cret")));
  EXPECT_THAT(shown, HasSubstr("Secret: \"***\""));
  EXPECT_THAT(shown, HasSubstr("Url: \"https://example.org/hook\""));
}

TEST(Config, SetGoesOverTheEnvironmentAndThatOverTheFile) {
  Sources sources{.file = "weir.yaml", .yaml = "Port: 1\nName: file\nDataDir: file\n"};
  sources.environment = {{"WEIR_PORT", "2"}, {"WEIR_DATA_DIR", "env"}, {"PORT", "99"}};
  sources.sets = {"Port=3"};
  const Loaded loaded = Load(sources);
  ASSERT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.port, 3);
  EXPECT_EQ(loaded.config.data_dir, "env");
  EXPECT_EQ(loaded.config.name, "file");
}

TEST(Config, TakesEveryVariableWithOrWithoutUnderscoresBetweenWords) {
  for (const char* name : {"WEIR_JOURNAL_SEGMENTBYTES", "WEIR_JOURNAL_SEGMENT_BYTES"}) {
    const Loaded loaded = Load({.environment = {{name, "1MiB"}}});
    EXPECT_THAT(loaded.warnings, IsEmpty());
    EXPECT_EQ(loaded.config.journal.options.segment_bytes, 1u << 20) << name;
  }
  const Loaded other = Load({.environment = {{"WEIR_SERVICE_HOST", "10.0.0.1"}}});
  EXPECT_TRUE(other.ok());
  EXPECT_THAT(other.warnings,
              ElementsAre("the environment variable WEIR_SERVICE_HOST names no key"));
  EXPECT_THAT(Load({.environment = {{"WEIR_ADMIN_PROT", "1"}, {"WEIR_DATADIRS", "x"}}}).warnings,
              ElementsAre(HasSubstr("WEIR_ADMIN_PROT names no key: did you mean WEIR_ADMIN_PORT?"),
                          HasSubstr("did you mean WEIR_DATADIR?")));
  EXPECT_THAT(Load({.environment = {{"WEIR_PORT", "tcp://10.0.0.1:80"}}}).errors,
              ElementsAre("WEIR_PORT: 'Port': expected a whole number"));
}

TEST(Config, TakesGoZerosSpellings) {
  const Loaded loaded = FromYaml(
      "CpuThreshold: 800\nMaxConns: 50000\nMaxBytes: 2097152\nTimeout: 3000\n"
      "Middlewares: {Shedding: false, Trace: false, Breaker: true, Prometheus: true}\n");
  ASSERT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.shedder.cpu_threshold, 800);
  EXPECT_EQ(loaded.config.shedder.max_concurrency, 50'000u);
  EXPECT_EQ(loaded.config.http.limits.body_bytes_max, 2u << 20);
  EXPECT_EQ(loaded.config.http.request_timeout_ms, 3000);
  EXPECT_FALSE(loaded.config.middlewares.shedder);
  EXPECT_FALSE(loaded.config.middlewares.trace);
  EXPECT_TRUE(loaded.config.middlewares.breaker);
  EXPECT_THAT(loaded.warnings, IsEmpty());
  EXPECT_EQ(FromYaml("Rest: {Name: a, Port: 7, MaxConns: 10000}").config.port, 7);
}

// A service's whole file, of what go-zero's own documentation shows.
TEST(Config, TakesAFileOfGoZeroAsItIs) {
  const Loaded loaded = FromYaml(R"(
Name: patient-service
Host: 127.0.0.1
Port: 8888
Mode: pro
Verbose: false
Timeout: 3000
MaxConns: 10000
MaxBytes: 1048576
CpuThreshold: 900
CertFile: a.pem
KeyFile: a.key
Log: {Mode: console, Encoding: json, Level: error, Stat: false, Compress: false}
DevServer: {Enabled: true, Host: 127.0.0.1, Port: 6060, MetricsPath: /metrics}
Telemetry: {Name: t, Endpoint: "https://c.example", Sampler: 0.5, Batcher: otlphttp, Disabled: false}
Shutdown: {WaitTime: 5s}
Middlewares: {Trace: true, Log: true, Prometheus: true, MaxConns: true, Breaker: true,
  Shedding: true, Timeout: true, Recover: true, Metrics: true, MaxBytes: true, Gunzip: true}
)");
  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.admin.port, 6060);
  EXPECT_EQ(loaded.config.log.access_share, 1);
  EXPECT_EQ(loaded.config.log.level, "error");
  EXPECT_EQ(loaded.config.shutdown.drain_ms, 5'000);
  EXPECT_EQ(loaded.config.trace.otlp.endpoint, "https://c.example");
  EXPECT_EQ(FromYaml("Rest: {Middlewares: {Log: false}, Verbose: false}").config.log.access_share,
            0);
  EXPECT_EQ(FromYaml("Prometheus: {Host: ::1, Port: 9101, Path: /metrics}").config.admin.port,
            9101);
}

TEST(Config, SaysWhatToWriteInsteadOfAKeyOfGoZeroThatMeansNothingHere) {
  EXPECT_THAT(FromYaml("Log:\n  Mode: file\n  Path: logs\n").errors,
              ElementsAre("weir.yaml:2: 'Log.Mode': go-zero's key has no such meaning here. Write "
                          "`Log.File`, the name of the file.",
                          HasSubstr("weir.yaml:3: 'Log.Path'")));
  EXPECT_THAT(FromYaml("Rest:\n  Signature: {Strict: true}\n  Middlewares: {Gunzip: false}").errors,
              ElementsAre(HasSubstr("weir tokens add"), HasSubstr("'Rest.Middlewares.Gunzip'")));
  EXPECT_THAT(FromYaml("Middlewares: {Log: maybe}").errors,
              ElementsAre(HasSubstr("true or false")));
  EXPECT_THAT(FromYaml("Middlewares: {Log: true}\nLog: {AccessShare: 0.5}").errors,
              ElementsAre(HasSubstr("is given already")));
  EXPECT_THAT(FromSets({"Mode=dev"}).errors, ElementsAre(HasSubstr("Rest.Middlewares.Shedder")));
}

// What is said instead names keys that there are.
TEST(GoZero, NamesKnownKeys) {
  std::set<std::string> known;
  for (const Key& key : Schema()) {
    known.insert(key.path);
    for (const std::string& alias : key.aliases) known.insert(alias);
    for (const std::string& alias : key.switches) known.insert(alias);
  }
  for (const GoZeroKey& key : GoZeroKeys()) {
    EXPECT_FALSE(known.contains(std::string(key.path))) << key.path;
    std::string text(key.instead);
    for (size_t at = text.find('`'); at != std::string::npos; at = text.find('`', at)) {
      const size_t end = text.find('`', at + 1);
      const std::string word = text.substr(at + 1, end - at - 1);
      at = end + 1;
      const std::string name = word.substr(0, word.find(':'));
      if (!std::isupper(static_cast<unsigned char>(name[0]))) continue;
      EXPECT_TRUE(known.contains(name)) << name;
    }
  }
}

TEST(Config, RefusesTheSameKeyUnderTwoNames) {
  EXPECT_THAT(
      FromYaml("MaxConns: 50000\nShedder:\n  MaxConcurrency: 60000\n").errors,
      ElementsAre("weir.yaml:3: 'Shedder.MaxConcurrency' is given already, under another of "
                  "its names, in line 1"));
  EXPECT_THAT(FromYaml("Port: 1\nPort: 2\n").errors,
              ElementsAre("weir.yaml:2: 'Port' stands in line 1 already"));
}

TEST(Config, NamesTheNearestKeyAndTheLineOfOneThatItDoesNotKnow) {
  EXPECT_THAT(FromYaml("Port: 1\nPrt: 8080\n").errors,
              ElementsAre("weir.yaml:2: unknown key 'Prt': did you mean 'Port'?"));
  EXPECT_THAT(FromYaml("Admin:\n  Prot: 1\n").errors,
              ElementsAre("weir.yaml:2: unknown key 'Admin.Prot': did you mean 'Admin.Port'?"));
  EXPECT_THAT(FromYaml("Admn:\n  Port: 1\n").errors,
              ElementsAre("weir.yaml:1: unknown key 'Admn': did you mean 'Admin'?"));
  EXPECT_THAT(FromYaml("SegmentBytes: 1MiB\n").errors,
              ElementsAre(HasSubstr("did you mean 'Journal.SegmentBytes'?")));
  EXPECT_THAT(FromSets({"Tasks.Pausd=true"}).errors,
              ElementsAre("--set Tasks.Pausd: unknown key 'Tasks.Pausd': did you mean "
                          "'Tasks.Paused'?"));
  EXPECT_THAT(FromYaml("Xyzzyxyzzyq: 1\n").errors, ElementsAre(HasSubstr("weir config schema")));
}

TEST(Config, TellsAllThatIsWrongAtOnce) {
  EXPECT_THAT(FromYaml("Port: 70000\nTasks: {Nice: -1, Paused: [alarm], RetryMax: soon}\n"
                       "Journal: {Compress: maybe, SegmentBytes: 5}\nLog: {Level: loud}\n")
                  .errors,
              ElementsAre("weir.yaml:1: 'Port': expected 0 to 65535",
                          "weir.yaml:2: 'Tasks.Nice': expected 0 to 19",
                          HasSubstr("'Tasks.Paused': expected one of cleanse, assess"),
                          HasSubstr("'Tasks.RetryMax': expected a duration such as"),
                          HasSubstr("'Journal.Compress': expected true or false"),
                          HasSubstr("'Journal.SegmentBytes': expected 64KiB to 4GiB"),
                          HasSubstr("'Log.Level': expected one of debug, info")));
}

TEST(Config, RefusesWhatDoesNotFitTogether) {
  EXPECT_THAT(FromYaml("Port: 8081\n").errors, ElementsAre("Port and Admin.Port must differ"));
  EXPECT_THAT(FromYaml("Alerts:\n  Targets:\n    t: {Url: \"http://example.org/\"}\n"
                       "  Routes:\n    - {Study: s, Targets: [u]}\n    - {Site: x}\n")
                  .errors,
              ElementsAre(HasSubstr("Alerts.Targets.t.Url: expected https"),
                          HasSubstr("Alerts.Targets.t.Secret"), HasSubstr("there is no target 'u'"),
                          HasSubstr("Alerts.Routes.1.Targets: a route needs a target")));
  EXPECT_THAT(FromYaml("Studies: {s: {Schedule: {Start: tomorrow}}}").errors,
              ElementsAre(HasSubstr("expected a date")));
  EXPECT_FALSE(FromYaml("Http: {BodyBytesMax: 8MiB}").ok()) << "no batch could hold it";
  EXPECT_THAT(FromYaml("Alerts: {RetryMin: 10m, RetryMax: 1m}").errors,
              ElementsAre("Alerts.RetryMin must not exceed Alerts.RetryMax"));
}

TEST(Config, SetReachesListsAndMaps) {
  const Loaded loaded =
      FromSets({"Tasks.Paused=alert,diary", "Alerts.Targets.w.Url=http://[::1]:1/a#b",
                "Alerts.Targets.w.Secret=: {x", "Alerts.Routes.0.Targets=w",
                "Alerts.Routes.0.Doctor=007", "Admin={Port: 1, Host: ::1}"});
  ASSERT_THAT(loaded.errors, IsEmpty());
  EXPECT_THAT(loaded.config.tasks.paused.names, ElementsAre("alert", "diary"));
  EXPECT_EQ(loaded.config.alerts.targets.at("w").url, "http://[::1]:1/a#b");
  EXPECT_EQ(loaded.config.alerts.targets.at("w").secret, ": {x");
  EXPECT_EQ(loaded.config.alerts.routes.at(0).doctor, "007");
  EXPECT_EQ(loaded.config.admin.port, 1);
  EXPECT_TRUE(FromSets({"Tasks.Paused=true"}).config.tasks.paused.all);
  EXPECT_THAT(FromSets({"Alerts.Routes.5.Doctor=a"}).errors, ElementsAre(HasSubstr("in order")));
  EXPECT_THAT(FromSets({"Port"}).errors, ElementsAre(HasSubstr("expected Path.To.Key=value")));
}

TEST(Config, IsBoundedAgainstHostileInput) {
  const std::string deep(2000, '[');
  std::string bomb = "a: &a [x,x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [*" + char(c - 1) + ",*" + char(c - 1) + "]\n";
  }
  std::string wide = "Tasks: {";
  for (int i = 0; i < 100'000; ++i) wide += "k" + std::to_string(i) + ": 1, ";
  const std::string large((1u << 20) + 1, ' ');
  for (const std::string& yaml :
       {deep, bomb, wide + "}", large, std::string("a: 1\0b: 2", 9), std::string("? [a]\n: b"),
        std::string("--- {}\n--- {}"), std::string("- a"), std::string("\xff\xfe\x00", 3),
        std::string("Name: !!binary x\nPrt: *x")}) {
    const Loaded loaded = FromYaml(yaml);
    EXPECT_FALSE(loaded.ok()) << yaml.substr(0, 100);
    EXPECT_LE(loaded.errors.size(), 51u);
  }
  EXPECT_THAT(FromYaml("Name: &n a\nHost: *n\n").errors, ElementsAre(HasSubstr("anchors")));
}

TEST(Compare, SaysWhatTakesEffectAtAReload) {
  const Config running = FromYaml("Log: {Level: info}\nPort: 1\n").config;
  Config fresh = FromYaml(std::string(kFull) + "  Level: debug\n").config;
  const Changes changes = Compare(running, fresh);
  EXPECT_THAT(changes.reloadable, Contains("Log.Level"));
  EXPECT_THAT(changes.needs_restart, Contains("Port"));
  EXPECT_THAT(changes.needs_restart, Contains("Alerts.Routes.1.Targets"));
  EXPECT_THAT(changes.needs_restart, Contains("Studies.s-1.Schedule.EveryDays"));
  const Config reloaded = Reloaded(running, fresh);
  EXPECT_EQ(reloaded.log.level, "debug");
  EXPECT_EQ(reloaded.port, 1);
  EXPECT_THAT(Compare(reloaded, fresh).reloadable, IsEmpty());
  EXPECT_TRUE(Compare(running, running).none());
  for (int i = 0; i < 20; ++i) fresh.alerts.routes.push_back({});
  EXPECT_THAT(Compare(running, fresh).needs_restart, Contains("Alerts.Routes.0.Doctor"));
}

TEST(Schema, NamesEachKeyOnce) {
  std::set<std::string> names;
  for (const Key& key : Schema()) {
    EXPECT_TRUE(names.insert(key.path).second) << key.path;
    for (const std::string& alias : key.aliases) EXPECT_TRUE(names.insert(alias).second) << alias;
    for (const std::string& alias : key.switches) EXPECT_TRUE(names.insert(alias).second) << alias;
    EXPECT_FALSE(key.doc.empty()) << key.path;
    EXPECT_TRUE(key.doc.ends_with('.')) << key.path;
  }
}

TEST(Schema, AllowsEveryDefault) {
  Config config;
  for (const Key& key : Schema()) {
    if (key.pattern()) continue;
    const Field field = key.field(config, {});
    const auto document = ParseDocument(Format(key, field));
    ASSERT_TRUE(document) << key.path;
    EXPECT_EQ(Assign(key, field, *document), std::nullopt) << key.path;
  }
  EXPECT_THAT(CheckWhole(Config{}), IsEmpty());
}

TEST(Schema, IsWhatTheDocumentSays) {
  std::ifstream file("docs/configuration.md");
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(document == SchemaMarkdown())
      << "docs/configuration.md is out of date: weir config schema > docs/configuration.md";
}

TEST(Values, DurationsAndSizes) {
  EXPECT_EQ(ParseDurationMs("1500").value(), 1500);
  EXPECT_EQ(ParseDurationMs("30s").value(), 30'000);
  EXPECT_EQ(ParseDurationMs("7d").value(), 604'800'000);
  EXPECT_EQ(ParseBytes("128MiB").value(), 128 << 20);
  EXPECT_EQ(ParseBytes("1 GB").value(), 1'000'000'000);
  for (const char* bad : {"", "s", "-1s", "1.5s", "1 fortnight", "99999999999999999d", "1s "}) {
    EXPECT_FALSE(ParseDurationMs(bad)) << bad;
    EXPECT_FALSE(ParseBytes(bad)) << bad;
  }
  EXPECT_EQ(FormatDurationMs(90'000), "90s");
  EXPECT_EQ(FormatDurationMs(0), "0");
  EXPECT_EQ(FormatBytes(1 << 20), "1MiB");
  EXPECT_EQ(FormatBytes(1'000'001), "1000001B");
  EXPECT_EQ(EditDistance("Prot", "Port"), 1u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
}

}  // namespace
}  // namespace weir::config
