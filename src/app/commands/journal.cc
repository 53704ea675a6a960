#include <CLI/CLI.hpp>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>

#include "app/commands/commands.h"
#include "app/commands/record_head.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "io/posix_file_system.h"
#include "journal/inspect.h"
#include "journal/verify.h"
#include "wire/kinds.h"

namespace weir::app {
namespace {

using Count = unsigned long long;  // what printf prints

int Failed(const base::Error& error) {
  std::fprintf(stderr, "weir: %s\n", error.message.c_str());
  return kFailed;
}

// Exit code of a command on a directory; `run` is for one that exists.
template <class Run>
int Within(const std::string& directory, Run run) {
  const auto there = io::PosixFileSystem().Exists(directory);
  if (!there) return Failed(there.error());
  if (*there) return run();
  std::fprintf(stderr, "weir: there is no directory %s; a journal stands in DataDir/journal\n",
               directory.c_str());
  return kFailed;
}

int Verify(const std::string& directory, const std::string& expect) {
  std::optional<journal::Expectation> expectation;
  if (!expect.empty()) {
    auto parsed = journal::ParseExpectation(expect);
    if (!parsed) {
      std::fprintf(stderr, "weir: %s\n", parsed.error().message.c_str());
      return kWrongUsage;
    }
    expectation = *parsed;
  }
  const auto verified = journal::Verify(io::PosixFileSystem(), directory, expectation);
  if (!verified) return Failed(verified.error());
  std::printf("%llu segments, %llu batches, %llu records, %llu bytes; offsets %llu to %llu, %s\n",
              Count{verified->segments}, Count{verified->batches}, Count{verified->records},
              Count{verified->bytes}, Count{verified->begin.value()}, Count{verified->end.value()},
              verified->sealed ? "sealed" : "not sealed (running, or it ended in a crash)");
  std::printf("chain at %llu: %s\n", Count{verified->end.value()}, verified->chain.hex().c_str());
  for (const journal::Finding& finding : verified->findings) {
    std::printf("%s\n", journal::ToString(finding).c_str());
  }
  if (verified->findings_total > verified->findings.size()) {
    std::printf("and %llu more\n", Count{verified->findings_total - verified->findings.size()});
  }
  if (verified->ok() && expectation) {
    std::printf("the record at offset %llu is there, with the SHA-256 of the receipt\n",
                Count{expectation->offset.value()});
  }
  std::printf(verified->ok() ? "everything is as it was written\n" : "the journal is damaged\n");
  return verified->ok() ? kDone : kFailed;
}

int List(const std::string& directory) {
  const auto segments = journal::ListSegments(io::PosixFileSystem(), directory);
  if (!segments) return Failed(segments.error());
  std::printf("%-28s %12s %12s %10s %12s  %-24s %s\n", "segment", "first", "end", "batches",
              "bytes used", "last written", "state");
  for (const journal::SegmentSummary& segment : *segments) {
    const std::string state = !segment.damage.empty() ? "damaged: " + segment.damage
                              : segment.closed        ? "closed"
                              : segment.sealed        ? "sealed"
                                                      : "open";
    std::printf(
        "%-28s %12llu %12llu %10llu %12llu  %-24s %s\n", segment.name.c_str(),
        Count{segment.first.value()}, Count{segment.end.value()}, Count{segment.batches},
        Count{segment.used_bytes},
        segment.last_written_ms > 0 ? base::FormatTime(segment.last_written_ms).c_str() : "-",
        state.c_str());
  }
  return kDone;
}

// One JSON object a line. Heads and bodies are patients' data: only on demand.
int Dump(const std::string& directory, uint64_t from, uint64_t count, bool heads, bool bodies) {
  const auto dumped = journal::DumpRecords(
      io::PosixFileSystem(), directory, base::Offset(from), count,
      [heads, bodies](const journal::RecordView& record) -> base::Status {
        std::string line;
        base::JsonWriter json(line);
        json.BeginObject().Key("offset").Number(record.offset.value());
        json.Key("kind").String(wire::Name(static_cast<wire::Kind>(record.kind)));
        json.Key("time").Time(record.time_ms);
        json.Key("urgent").Bool((record.flags & journal::kUrgent) != 0);
        json.Key("conflicting").Bool((record.flags & journal::kConflicting) != 0);
        json.Key("sha256").String(record.sha256.hex());
        json.Key("head_bytes").Number(uint64_t{record.head.size()});
        json.Key("body_bytes").Number(uint64_t{record.body.size()});
        if (heads) WriteHead(json.Key("head"), record);
        if (bodies) json.Key("body").String(record.body);
        json.EndObject();
        std::puts(line.c_str());
        return {};
      },
      [](base::Offset first, base::Offset end, const std::string& why) {
        std::fprintf(stderr, "weir: offsets %llu to %llu cannot be read: %s\n",
                     Count{first.value()}, Count{end.value()}, why.c_str());
      });
  return dumped ? kDone : Failed(dumped.error());
}

struct Arguments {
  std::string directory;
  std::string expect;
  uint64_t from = 0;
  uint64_t count = std::numeric_limits<uint64_t>::max();
  bool heads = false;
  bool bodies = false;
};

}  // namespace

void AddJournal(CLI::App& app, int* exit_code) {
  CLI::App* group = app.add_subcommand("journal", "verifies, lists and dumps a journal");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* command = group->add_subcommand(name, help);
    command->add_option("DIR", arguments->directory, "the journal's directory: DataDir/journal")
        ->required();
    command->callback(
        [=] { *exit_code = Within(arguments->directory, [&] { return run(*arguments); }); });
    return command;
  };
  CLI::App* verify = add("verify", "reads every byte and checks checksums, hashes and the chain",
                         [](const Arguments& of) { return Verify(of.directory, of.expect); });
  verify->add_option("--expect", arguments->expect,
                     "OFFSET:SHA256 of a receipt that must be there: finds a lost end");
  add("list", "lists the segments", [](const Arguments& of) { return List(of.directory); });
  CLI::App* dump = add("dump", "prints records, one JSON object a line", [](const Arguments& of) {
    return Dump(of.directory, of.from, of.count, of.heads, of.bodies);
  });
  dump->add_option("--from", arguments->from, "first offset");
  dump->add_option("--count", arguments->count, "how many");
  dump->add_flag("--heads", arguments->heads,
                 "with what their heads say, such as who did what: patients' data");
  dump->add_flag("--bodies", arguments->bodies, "with the bodies: patients' data");
}

}  // namespace weir::app
