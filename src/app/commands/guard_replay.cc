#include "app/commands/guard_replay.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <queue>
#include <random>

#include "guard/breaker.h"
#include "guard/gozero_shedder.h"
#include "guard/token_buckets.h"

namespace weir::app {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kSecondMs = 1'000;
constexpr int64_t kTraceMsMax = 86'400'000;
constexpr size_t kCallsMax = 10'000'000;
constexpr std::string_view kHeading = "at_ms,service_ms,result";

base::Error WrongLine(size_t number, const std::string& why) {
  return {base::ErrorCode::kInvalidArgument, "line " + std::to_string(number) + ": " + why};
}

std::string_view NextField(std::string_view& line) {
  const size_t comma = line.find(',');
  const std::string_view field = line.substr(0, comma);
  line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
  return field;
}

bool ParseNumber(std::string_view text, int64_t max, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0 && out <= max;
}

std::optional<TraceCall> ParseCall(std::string_view line) {
  TraceCall call;
  if (!ParseNumber(NextField(line), kTraceMsMax, call.at_ms)) return std::nullopt;
  if (!ParseNumber(NextField(line), kTraceMsMax, call.service_ms)) return std::nullopt;
  const std::string_view result = NextField(line);
  if (result != "ok" && result != "fail") return std::nullopt;
  call.fails = result == "fail";
  if (!line.empty() && !ParseNumber(line, 1000, call.cpu)) return std::nullopt;
  return call;
}

// The controller asked for, and the calls that it has let through and that have not ended.
class Player {
 public:
  explicit Player(const SimulateOptions& options)
      : options_(options),
        breaker_({.mode = options.controller == Controller::kGoogle ? guard::BreakerMode::kGoogle
                                                                    : guard::BreakerMode::kStates},
                 0),
        shedder_(options.cpu_threshold, 0),
        bucket_({.per_second = options.rate, .burst = options.burst}, 1),
        random_(options.seed) {}

  bool Offer(const TraceCall& call) {
    const int64_t now_ns = call.at_ms * kMsNs;
    EndUntil(now_ns);
    Running running{.call = call};
    switch (options_.controller) {
      case Controller::kBucket:
        return bucket_.Take(1, now_ns).allowed;
      case Controller::kGoZero:
        if (!shedder_.Allow(call.cpu, now_ns)) return false;
        break;
      case Controller::kStates:
      case Controller::kGoogle: {
        const auto permit = breaker_.Allow(now_ns, draw_(random_));
        if (!permit) return false;
        running.permit = *permit;
        break;
      }
    }
    running_.push(running);
    return true;
  }

  std::string_view State(int64_t at_ms) const {
    return has_breaker() ? guard::Name(breaker_.state(at_ms * kMsNs)) : std::string_view();
  }

 private:
  struct Running {
    TraceCall call;
    guard::Breaker::Permit permit;
    int64_t end_ns() const { return (call.at_ms + call.service_ms) * kMsNs; }
    bool operator<(const Running& other) const { return end_ns() > other.end_ns(); }
  };

  bool has_breaker() const {
    return options_.controller == Controller::kStates || options_.controller == Controller::kGoogle;
  }

  void EndUntil(int64_t now_ns) {
    for (; !running_.empty() && running_.top().end_ns() <= now_ns; running_.pop()) {
      const Running& ended = running_.top();
      if (has_breaker()) {
        breaker_.Ended(ended.permit,
                       ended.call.fails ? guard::Outcome::kFailure : guard::Outcome::kSuccess,
                       ended.call.service_ms * kMsNs, ended.end_ns());
      } else if (ended.call.fails) {
        shedder_.Failed();
      } else {
        shedder_.Passed(ended.call.at_ms * kMsNs, ended.end_ns());
      }
    }
  }

  const SimulateOptions options_;
  guard::Breaker breaker_;
  guard::GoZeroShedder shedder_;
  guard::TokenBuckets bucket_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> draw_;
  std::priority_queue<Running> running_;
};

}  // namespace

base::Result<std::vector<TraceCall>> ReadTrace(std::istream& in) {
  std::vector<TraceCall> trace;
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1) {
      if (line != kHeading && line != std::string(kHeading) + ",cpu") {
        return tl::unexpected(WrongLine(number, "write the heading at_ms,service_ms,result,cpu"));
      }
      continue;
    }
    const auto call = ParseCall(line);
    if (!call) {
      return tl::unexpected(WrongLine(
          number, "write whole milliseconds up to a day, ok or fail, and the CPU from 0 to 1000"));
    }
    if (!trace.empty() && call->at_ms < trace.back().at_ms) {
      return tl::unexpected(WrongLine(number, "calls must stand in order of time"));
    }
    if (trace.size() == kCallsMax) return tl::unexpected(WrongLine(number, "too many calls"));
    trace.push_back(*call);
  }
  if (trace.empty()) return tl::unexpected(WrongLine(1, "the trace holds no call"));
  return trace;
}

std::vector<SimulatedSecond> Simulate(const std::vector<TraceCall>& trace,
                                      const SimulateOptions& options) {
  std::vector<SimulatedSecond> seconds;
  Player player(options);
  for (const TraceCall& call : trace) {
    const auto second = static_cast<size_t>(call.at_ms / kSecondMs);
    if (seconds.size() <= second) seconds.resize(second + 1);
    SimulatedSecond& counts = seconds[second];
    ++counts.offered;
    if (player.Offer(call)) {
      ++counts.passed;
      if (call.fails) ++counts.failed;
    } else {
      ++counts.refused;
    }
    counts.state = player.State(call.at_ms);
  }
  return seconds;
}

std::string ToCsv(const std::vector<SimulatedSecond>& seconds) {
  std::string csv = "second,offered,passed,refused,failed,state\n";
  for (size_t i = 0; i < seconds.size(); ++i) {
    const SimulatedSecond& second = seconds[i];
    csv += std::to_string(i);
    for (const int64_t count : {second.offered, second.passed, second.refused, second.failed}) {
      csv += "," + std::to_string(count);
    }
    csv.append(",").append(second.state).append("\n");
  }
  return csv;
}

std::string ToSvg(const std::vector<SimulatedSecond>& seconds) {
  constexpr int kWidth = 900;
  constexpr int kHeight = 300;
  constexpr int kMargin = 40;
  int64_t most = 1;
  for (const SimulatedSecond& second : seconds) most = std::max(most, second.offered);
  const auto line = [&](int64_t SimulatedSecond::*count, const char* colour) {
    std::string points;
    for (size_t i = 0; i < seconds.size(); ++i) {
      const auto x =
          kMargin + static_cast<int64_t>(i) * kWidth / static_cast<int64_t>(seconds.size());
      const auto y = kMargin + kHeight - seconds[i].*count * kHeight / most;
      points += std::to_string(x) + "," + std::to_string(y) + " ";
    }
    return "<polyline fill=\"none\" stroke=\"" + std::string(colour) + "\" points=\"" + points +
           "\"/>\n";
  };
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"980\" height=\"400\" "
         "font-family=\"sans-serif\" font-size=\"12\">\n"
         "<rect width=\"980\" height=\"400\" fill=\"white\"/>\n" +
         line(&SimulatedSecond::offered, "#888888") + line(&SimulatedSecond::passed, "#0060c0") +
         "<text x=\"40\" y=\"25\">calls a second, at most " + std::to_string(most) +
         ": offered grey, passed blue</text>\n<text x=\"40\" y=\"370\">0 to " +
         std::to_string(seconds.size()) + " s</text>\n</svg>\n";
}

}  // namespace weir::app
