// From a key of the table to values, and back.
#include <algorithm>
#include <cmath>

#include "app/config/schema.h"
#include "app/config/values.h"
#include "base/json_writer.h"

namespace weir::config {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // which clang 16 does not deduce by itself

bool IsCaptured(std::string_view segment) { return segment.starts_with('<'); }

bool IsIndex(std::string_view segment) {
  return !segment.empty() && segment.size() <= 6 &&
         std::ranges::all_of(segment, [](char c) { return c >= '0' && c <= '9'; });
}

std::string OneOf(const std::vector<std::string>& words) {
  std::string out = "expected one of ";
  for (size_t i = 0; i < words.size(); ++i) out += (i == 0 ? "" : ", ") + words[i];
  return out;
}

// Plain where YAML reads that back as the same text, else in double quotes.
std::string Quoted(const std::string& text) {
  const bool plain = !text.empty() && text != "true" && text != "false" && text != "null" &&
                     text != "~" && !ParseReal(text) &&
                     std::ranges::all_of(text,
                                         [](char c) {
                                           return (c >= 'a' && c <= 'z') ||
                                                  (c >= 'A' && c <= 'Z') ||
                                                  (c >= '0' && c <= '9') || c == '_' || c == '/' ||
                                                  c == '.' || c == '-';
                                         }) &&
                     text[0] != '-';
  if (plain) return text;
  std::string out = "\"";
  base::AppendJsonEscaped(out, text);
  return out + '"';
}

std::string QuotedList(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (size_t i = 0; i < texts.size(); ++i) out += (i == 0 ? "" : ", ") + Quoted(texts[i]);
  return out + "]";
}

// Bounds of a number as its type is written.
std::string Bounds(const Key& key) {
  const auto bound = [&key](double value) -> std::string {
    if (key.type == Type::kDuration) return FormatDurationMs(static_cast<int64_t>(value));
    if (key.type == Type::kSize) return FormatBytes(static_cast<uint64_t>(value));
    if (key.type == Type::kReal) return FormatReal(value);
    return std::to_string(static_cast<int64_t>(value));
  };
  return "expected " + bound(key.min) + " to " + bound(key.max);
}

std::optional<std::string> ReadTexts(const Key& key, const Node& node,
                                     std::vector<std::string>* texts) {
  std::vector<std::string> out;
  const auto take = [&](const Node& item) -> std::optional<std::string> {
    if (item.kind != Node::Kind::kScalar) return "expected a list of texts";
    if (!key.words.empty() && std::ranges::find(key.words, item.text) == key.words.end()) {
      return OneOf(key.words);
    }
    out.push_back(item.text);
    return std::nullopt;
  };
  if (node.kind == Node::Kind::kScalar) {  // one text is a list of one
    if (auto wrong = take(node)) return wrong;
  } else if (node.kind == Node::Kind::kList) {
    for (const Node& item : node.items) {
      if (auto wrong = take(item)) return wrong;
    }
  } else if (node.kind != Node::Kind::kNull) {
    return "expected a list of texts";
  }
  *texts = std::move(out);
  return std::nullopt;
}

std::optional<std::string> ReadPaused(const Key& key, const Node& node, PausedTasks* paused) {
  if (node.kind == Node::Kind::kScalar && !node.quoted) {
    if (const auto all = ParseBool(node.text)) {
      *paused = {*all, {}};
      return std::nullopt;
    }
  }
  PausedTasks listed;
  if (auto wrong = ReadTexts(key, node, &listed.names)) return wrong;
  std::ranges::sort(listed.names);
  *paused = std::move(listed);
  return std::nullopt;
}

base::Result<double> ReadNumber(const Key& key, const std::string& text) {
  if (key.type == Type::kReal) return ParseReal(text);
  const auto value = key.type == Type::kDuration ? ParseDurationMs(text)
                     : key.type == Type::kSize   ? ParseBytes(text)
                                                 : ParseInteger(text);
  if (!value) return base::Fail(value.error());
  return static_cast<double>(*value);  // exact: all bounds are below 2^53
}

template <class T>
std::optional<std::string> SetNumber(const Key& key, const Node& node, T* to) {
  if (node.kind != Node::Kind::kScalar) return "expected a single value";
  const auto value = ReadNumber(key, node.text);
  if (!value) return value.error().message;
  if (*value < key.min || *value > key.max) return Bounds(key);
  *to = static_cast<T>(*value);
  return std::nullopt;
}

}  // namespace

bool PausedTasks::Contains(std::string_view task) const {
  return all || std::ranges::find(names, task) != names.end();
}

std::vector<Captures> InstancesOf(const Key& key, const Config& config) {
  return key.pattern() ? key.instances(config) : std::vector<Captures>{{}};
}

Path SplitPath(std::string_view path) {
  Path segments;
  while (true) {
    const size_t dot = path.find('.');
    segments.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return segments;
    path.remove_prefix(dot + 1);
  }
}

Match MatchPath(const Path& pattern, const Path& path, Captures* captures) {
  if (path.size() > pattern.size()) return Match::kNo;
  captures->clear();
  for (size_t i = 0; i < path.size(); ++i) {
    if (!IsCaptured(pattern[i])) {
      if (pattern[i] != path[i]) return Match::kNo;
      continue;
    }
    const bool fits = pattern[i] == "<n>" ? IsIndex(path[i]) : !path[i].empty();
    if (!fits) return Match::kNo;
    captures->push_back(path[i]);
  }
  return path.size() == pattern.size() ? Match::kWhole : Match::kPrefix;
}

std::string Fill(const Key& key, const Captures& captures) {
  std::string out;
  size_t next = 0;
  for (const std::string& segment : SplitPath(key.path)) {
    if (!out.empty()) out += '.';
    out += IsCaptured(segment) ? captures.at(next++) : segment;
  }
  return out;
}

std::optional<std::string> Assign(const Key& key, const Field& field, const Node& node) {
  return std::visit(
      Overloaded{
          [&](bool* to) -> std::optional<std::string> {
            if (node.kind != Node::Kind::kScalar) return "expected true or false";
            const auto value = ParseBool(node.text);
            if (!value) return value.error().message;
            *to = *value;
            return std::nullopt;
          },
          [&](std::string* to) -> std::optional<std::string> {
            if (node.kind == Node::Kind::kNull) {
              to->clear();
              return std::nullopt;
            }
            if (node.kind != Node::Kind::kScalar) return "expected a text";
            if (!key.words.empty() && std::ranges::find(key.words, node.text) == key.words.end()) {
              return OneOf(key.words);
            }
            if (node.text.find('\0') != std::string::npos) return "expected a text without NUL";
            *to = node.text;
            return std::nullopt;
          },
          [&](std::vector<std::string>* to) { return ReadTexts(key, node, to); },
          [&](PausedTasks* to) { return ReadPaused(key, node, to); },
          [&](auto* to) { return SetNumber(key, node, to); },
      },
      field);
}

base::Result<Node> Switched(const Key& key, const Node& node) {
  if (node.kind != Node::Kind::kScalar) {
    return base::Fail(base::ErrorCode::kInvalidArgument, "expected true or false");
  }
  WEIR_ASSIGN_OR_RETURN(const bool on, ParseBool(node.text));
  Node number = node;
  number.text = FormatReal(on ? key.max : key.min);
  return number;
}

std::string Format(const Key& key, const Field& field) {
  return std::visit(Overloaded{
                        [](bool* value) -> std::string { return *value ? "true" : "false"; },
                        [](std::string* value) { return Quoted(*value); },
                        [](std::vector<std::string>* value) { return QuotedList(*value); },
                        [](PausedTasks* value) -> std::string {
                          if (value->all) return "true";
                          return value->names.empty() ? "false" : QuotedList(value->names);
                        },
                        [](double* value) { return FormatReal(*value); },
                        [&key](auto* value) {
                          if (key.type == Type::kDuration)
                            return FormatDurationMs(static_cast<int64_t>(*value));
                          if (key.type == Type::kSize)
                            return FormatBytes(static_cast<uint64_t>(*value));
                          return std::to_string(*value);
                        },
                    },
                    field);
}

std::string TypeName(const Key& key) {
  switch (key.type) {
    case Type::kBool:
      return "true or false";
    case Type::kDuration:
      return "duration";
    case Type::kSize:
      return "size";
    case Type::kReal:
      return "number, " + Bounds(key).substr(9);
    case Type::kInteger:
      return "integer, " + Bounds(key).substr(9);
    case Type::kList:
      return "list of texts";
    case Type::kPaused:
      return "true, false, or list of " + OneOf(key.words).substr(16);
    case Type::kText:
      return key.words.empty() ? "text" : OneOf(key.words).substr(9);
  }
  return "";
}

}  // namespace weir::config
