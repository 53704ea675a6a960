#include "base/clock.h"

#include <chrono>

namespace weir::base {
namespace {

class RealClock final : public Clock {
 public:
  int64_t WallMs() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  int64_t SteadyNs() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

constexpr int64_t kDayMs = 86'400'000;
// What four digits of a year can name, in UTC.
constexpr int64_t kYear0Ms = -62'167'219'200'000, kYear10000Ms = 253'402'300'800'000;

void Digits(std::string& out, unsigned value, int width) {
  char buffer[8];
  for (int i = width - 1; i >= 0; --i) {
    buffer[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(buffer, static_cast<size_t>(width));
}

// Reads exactly `width` digits at `*at`.
bool Number(std::string_view text, size_t* at, int width, int* value) {
  if (*at + static_cast<size_t>(width) > text.size()) return false;
  *value = 0;
  for (int i = 0; i < width; ++i) {
    const char c = text[*at + static_cast<size_t>(i)];
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + (c - '0');
  }
  *at += static_cast<size_t>(width);
  return true;
}

bool Literal(std::string_view text, size_t* at, char c) {
  if (*at >= text.size() || text[*at] != c) return false;
  ++*at;
  return true;
}

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

void AppendTime(std::string& out, int64_t wall_ms) {
  int64_t days = wall_ms / kDayMs;
  int64_t rest = wall_ms % kDayMs;
  if (rest < 0) {
    rest += kDayMs;
    --days;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  Digits(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += '-';
  Digits(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  Digits(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  const auto ms = static_cast<unsigned>(rest);
  Digits(out, ms / 3'600'000, 2);
  out += ':';
  Digits(out, ms / 60'000 % 60, 2);
  out += ':';
  Digits(out, ms / 1000 % 60, 2);
  out += '.';
  Digits(out, ms % 1000, 3);
  out += 'Z';
}

std::string FormatTime(int64_t wall_ms) {
  std::string out;
  AppendTime(out, wall_ms);
  return out;
}

Result<int64_t> ParseTime(std::string_view text) {
  const auto bad = [] {
    return Fail(ErrorCode::kInvalidArgument,
                "a time is written as 2026-11-24T08:30:00Z, with any zone offset");
  };
  size_t at = 0;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0;
  if (!Number(text, &at, 4, &year) || !Literal(text, &at, '-') || !Number(text, &at, 2, &month) ||
      !Literal(text, &at, '-') || !Number(text, &at, 2, &day)) {
    return bad();
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return bad();
  const int64_t midnight = std::chrono::sys_days{date}.time_since_epoch().count() * kDayMs;
  if (at == text.size()) return midnight;
  if (text[at] != 'T' && text[at] != 't' && text[at] != ' ') return bad();
  ++at;
  if (!Number(text, &at, 2, &hour) || !Literal(text, &at, ':') || !Number(text, &at, 2, &minute) ||
      !Literal(text, &at, ':') || !Number(text, &at, 2, &second)) {
    return bad();
  }
  if (Literal(text, &at, '.')) {
    int scale = 100;
    const size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      ms += (text[at] - '0') * scale;
      scale /= 10;
      ++at;
    }
    if (at == start) return bad();
  }
  // 60: a leap second, counted as the first instant of the next minute.
  if (hour > 23 || minute > 59 || second > 60) return bad();
  int64_t shift = 0;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    const int sign = text[at] == '+' ? 1 : -1;
    ++at;
    int zone_hour = 0, zone_minute = 0;
    if (!Number(text, &at, 2, &zone_hour) || !Literal(text, &at, ':') ||
        !Number(text, &at, 2, &zone_minute) || zone_hour > 23 || zone_minute > 59) {
      return bad();
    }
    shift = sign * (zone_hour * 3'600'000LL + zone_minute * 60'000LL);
  } else if (!Literal(text, &at, 'Z')) {
    if (at >= text.size() || text[at] != 'z') return bad();
    ++at;
  }
  if (at != text.size()) return bad();
  const int64_t time =
      midnight + hour * 3'600'000LL + minute * 60'000LL + second * 1000LL + ms - shift;
  if (time < kYear0Ms || time >= kYear10000Ms) return bad();
  return time;
}

}  // namespace weir::base
