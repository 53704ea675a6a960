#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "app/commands/commands.h"
#include "app/simulate/replay.h"
#include "app/simulate/report.h"
#include "app/simulate/server.h"

namespace weir::app {
namespace {

constexpr double kNsPerUs = 1e3;
constexpr double kNsPerMs = 1e6;

double In(int64_t ns, double unit_ns) { return static_cast<double>(ns) / unit_ns; }

struct Arguments {
  std::string trace;
  std::string svg;
  std::string controller = "states";
  ReplayOptions replay;
  // Around the default shedder. Its times are told in the units below, its threshold and seed with
  // those of `replay`.
  ServerModel server = {.gate = {.mode = guard::ShedderMode::kAuto}};
  double cost_us = In(server.cost_ns, kNsPerUs);
  double refusal_us = In(server.refusal_ns, kNsPerUs);
  double sync_ms = In(server.sync_ns, kNsPerMs);
};

const std::map<std::string, Controller>& Replayed() {
  static const std::map<std::string, Controller> replayed = {{"states", Controller::kStates},
                                                             {"google", Controller::kGoogle},
                                                             {"gozero", Controller::kGoZero},
                                                             {"bucket", Controller::kBucket}};
  return replayed;
}

ServerModel ModelOf(const Arguments& arguments) {
  ServerModel model = arguments.server;
  model.gate.cpu_threshold = arguments.replay.cpu_threshold;
  model.cost_ns = static_cast<int64_t>(arguments.cost_us * kNsPerUs);
  model.refusal_ns = static_cast<int64_t>(arguments.refusal_us * kNsPerUs);
  model.sync_ns = static_cast<int64_t>(arguments.sync_ms * kNsPerMs);
  model.seed = arguments.replay.seed;
  return model;
}

template <class Second>
int Tell(const std::vector<Second>& seconds, const Arguments& arguments) {
  std::fputs(ToCsv(seconds).c_str(), stdout);
  if (arguments.svg.empty()) return kDone;
  std::ofstream out(arguments.svg);
  out << ToSvg("weir guard simulate --controller " + arguments.controller, seconds) << std::flush;
  if (out) return kDone;
  std::fprintf(stderr, "weir: %s cannot be written\n", arguments.svg.c_str());
  return kFailed;
}

int Run(const Arguments& arguments) {
  std::ifstream in(arguments.trace);
  if (!in) {
    std::fprintf(stderr, "weir: %s cannot be read\n", arguments.trace.c_str());
    return kFailed;
  }
  const auto trace = ReadTrace(in);
  if (!trace) {
    std::fprintf(stderr, "weir: %s: %s\n", arguments.trace.c_str(), trace.error().message.c_str());
    return kFailed;
  }
  if (arguments.controller == "auto") return Tell(Serve(*trace, ModelOf(arguments)), arguments);
  ReplayOptions options = arguments.replay;
  options.controller = Replayed().at(arguments.controller);
  return Tell(Replay(*trace, options), arguments);
}

void AddServerOptions(CLI::App& simulate, Arguments& arguments) {
  const std::string group = "Server around the default shedder (auto)";
  const auto add = [&](const char* name, auto& value, const char* help, double min, double max) {
    simulate.add_option(name, value, help)
        ->check(CLI::Range(min, max))
        ->capture_default_str()
        ->group(group);
  };
  add("--sync-ms", arguments.sync_ms, "a sync of the disk, until the trace's sync_ms tells another",
      0.001, 600'000);
  add("--sync-records", arguments.server.sync_records, "records that one sync takes at most", 1,
      1e6);
  add("--cost-us", arguments.cost_us, "of the processor, for a call that is let in", 0, 1e6);
  add("--refusal-us", arguments.refusal_us, "the same for one that is refused", 0, 1e6);
  add("--max-concurrency", arguments.server.gate.in_flight_max, "Shedder.MaxConcurrency", 1, 1e6);
  add("--max-queueing", arguments.server.gate.queueing_max, "Shedder.MaxQueueing", 1, 1e6);
}

}  // namespace

void AddGuard(CLI::App& app, int* exit_code) {
  CLI::App* group = app.add_subcommand("guard", "tries the controllers of overload");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* simulate = group->add_subcommand(
      "simulate", "replays a trace in virtual time and prints what a controller would have done");
  simulate
      ->add_option("TRACE", arguments->trace,
                   "CSV: at_ms,service_ms,result and, where known, class, count, cpu, sync_ms")
      ->required();
  simulate
      ->add_option("--controller", arguments->controller,
                   "auto: the default shedder; gozero: the other one; states, google: breakers; "
                   "bucket: rate limit")
      ->check(CLI::IsMember({"auto", "gozero", "states", "google", "bucket"}))
      ->capture_default_str();
  simulate->add_option("--rate", arguments->replay.rate, "of the bucket, a second")
      ->check(CLI::Range(0.001, 1e9))
      ->capture_default_str();
  simulate->add_option("--burst", arguments->replay.burst, "of the bucket")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  simulate
      ->add_option("--cpu-threshold", arguments->replay.cpu_threshold,
                   "of both shedders, in thousandths")
      ->check(CLI::Range(0, 999))
      ->capture_default_str();
  simulate->add_option("--seed", arguments->replay.seed, "of the draws of auto and google")
      ->capture_default_str();
  simulate->add_option("--svg", arguments->svg, "writes a plot there");
  AddServerOptions(*simulate, *arguments);
  simulate->footer(
      "Examples:\n"
      "  weir guard simulate docs/laboratory.csv --controller google --svg laboratory.svg\n"
      "  weir guard simulate docs/herd.csv --controller auto --svg herd.svg");
  simulate->callback([arguments, exit_code] { *exit_code = Run(*arguments); });
}

}  // namespace weir::app
