#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>

#include "app/commands/commands.h"
#include "app/commands/guard_replay.h"

namespace weir::app {
namespace {

struct Arguments {
  std::string trace;
  std::string svg;
  SimulateOptions options;
};

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
  const auto seconds = Simulate(*trace, arguments.options);
  std::fputs(ToCsv(seconds).c_str(), stdout);
  if (arguments.svg.empty()) return kDone;
  std::ofstream out(arguments.svg);
  out << ToSvg(seconds) << std::flush;
  if (!out) {
    std::fprintf(stderr, "weir: %s cannot be written\n", arguments.svg.c_str());
    return kFailed;
  }
  return kDone;
}

}  // namespace

void AddGuard(CLI::App& app, int* exit_code) {
  CLI::App* group = app.add_subcommand("guard", "tries the controllers of overload");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* simulate = group->add_subcommand(
      "simulate", "replays a trace in virtual time and prints what a controller would have done");
  simulate->add_option("TRACE", arguments->trace, "CSV: at_ms,service_ms,result,cpu")->required();
  const std::map<std::string, Controller> controllers = {{"states", Controller::kStates},
                                                         {"google", Controller::kGoogle},
                                                         {"gozero", Controller::kGoZero},
                                                         {"bucket", Controller::kBucket}};
  simulate
      ->add_option("--controller", arguments->options.controller,
                   "states, google: breakers; gozero: shedder; bucket: rate limit")
      ->transform(CLI::CheckedTransformer(controllers));
  simulate->add_option("--rate", arguments->options.rate, "of the bucket, a second")
      ->check(CLI::Range(0.001, 1e9));
  simulate->add_option("--burst", arguments->options.burst, "of the bucket")
      ->check(CLI::Range(1, 1'000'000));
  simulate
      ->add_option("--cpu-threshold", arguments->options.cpu_threshold,
                   "of the shedder, in thousandths")
      ->check(CLI::Range(0, 999));
  simulate->add_option("--seed", arguments->options.seed, "of the draws of google");
  simulate->add_option("--svg", arguments->svg, "writes a plot there");
  simulate->footer(
      "Example:\n  weir guard simulate docs/laboratory.csv --controller google --svg "
      "laboratory.svg");
  simulate->callback([arguments, exit_code] { *exit_code = Run(*arguments); });
}

}  // namespace weir::app
