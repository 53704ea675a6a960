// Every key of the configuration: one table, from which it is read, checked, shown, compared and
// documented.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/config/config.h"
#include "app/config/document.h"
#include "base/result.h"

namespace weir::config {

// The names that a path's <…> segments stand for: {"ward"} for Alerts.Targets.ward.Url.
using Captures = std::vector<std::string>;
using Path = std::vector<std::string>;

// Where a key's value lives. The element of a map or list is made when it is asked for.
using Field = std::variant<bool*, int*, unsigned*, uint16_t*, uint64_t*, int64_t*, double*,
                           std::string*, std::vector<std::string>*, PausedTasks*>;

enum class Type { kBool, kInteger, kReal, kDuration, kSize, kText, kList, kPaused };

struct Key {
  std::string path;  // "Admin.Port"; "Alerts.Targets.<name>.Url"; <n> is a place in a list, from 0
  Type type;
  std::string doc;
  std::function<Field(Config&, const Captures&)> field;

  double min = 0, max = 0;           // inclusive; of numbers, durations in ms, sizes in bytes
  std::vector<std::string> words;    // what a text may be; empty: anything
  std::vector<std::string> aliases;  // other spellings, whole paths
  // Further ones that switch a number: true is its largest value, false its least.
  std::vector<std::string> switches;
  bool reloadable = false;
  bool secret = false;
  // The captures for which a configuration has values; empty for a path without <…>.
  std::function<std::vector<Captures>(const Config&)> instances;

  Key& Between(double low, double high) {
    min = low;
    max = high;
    return *this;
  }
  Key& Words(std::vector<std::string> allowed) {
    words = std::move(allowed);
    return *this;
  }
  Key& Also(std::vector<std::string> other) {
    aliases = std::move(other);
    return *this;
  }
  Key& SwitchedBy(std::vector<std::string> other) {
    switches = std::move(other);
    return *this;
  }
  Key& Reloadable() {
    reloadable = true;
    return *this;
  }
  Key& Secret() {
    secret = true;
    return *this;
  }
  bool pattern() const { return static_cast<bool>(instances); }
};

const std::vector<Key>& Schema();
// The paths at which `config` has a value of `key`, with their captures.
std::vector<Captures> InstancesOf(const Key& key, const Config& config);

Path SplitPath(std::string_view path);
// Whether `path`, of a configuration, is the pattern or begins it; then `captures` are its names.
enum class Match { kNo, kPrefix, kWhole };
Match MatchPath(const Path& pattern, const Path& path, Captures* captures);
// "Alerts.Targets.ward.Url".
std::string Fill(const Key& key, const Captures& captures);

// Reads the value of `node` into the field: what is wrong with it, or nothing.
std::optional<std::string> Assign(const Key& key, const Field& field, const Node& node);
// The number that `node`, true or false, means to a key that it switches.
base::Result<Node> Switched(const Key& key, const Node& node);
// As it is written in YAML on one line; lists as [a, b].
std::string Format(const Key& key, const Field& field);
// "duration", "size", "list of texts", "true or [cleanse, …]" …
std::string TypeName(const Key& key);

// What no single key can be wrong about: "Alerts.Routes.0.Targets names 'ward', which …".
std::vector<std::string> CheckWhole(const Config& config);

}  // namespace weir::config
