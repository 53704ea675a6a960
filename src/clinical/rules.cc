#include "clinical/rules.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "clinical/json_reader.h"
#include "clinical/text.h"
#include "clinical/yaml_survey.h"

namespace weir::clinical {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;

// As many as there may be items: past this it is no rules file.
constexpr size_t kEntriesMax = 2'000;
constexpr size_t kTextMax = 1024;

tl::unexpected<base::Error> Wrong(const std::string& path, const std::string& what) {
  return Fail(ErrorCode::kInvalidArgument, "rules: " + path + (path.empty() ? "" : ": ") + what);
}

std::string Quoted(std::string_view text) { return "'" + std::string(text.substr(0, 80)) + "'"; }

struct Key {
  std::string_view name;
  std::function<Status(const YAML::Node&, const std::string& path)> read;
};

// Hands each member of a mapping to the reader of its key.
Status ReadMapping(const YAML::Node& node, const std::string& path, const std::vector<Key>& keys) {
  if (!node.IsMap()) return Wrong(path, "must be a mapping of keys to values");
  if (node.size() > kEntriesMax) return Wrong(path, "has too many entries");
  std::vector<std::string> seen;
  for (const auto& member : node) {
    if (!member.first.IsScalar()) return Wrong(path, "has a key that is not a word");
    const std::string& name = member.first.Scalar();
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [&](const Key& known) { return known.name == name; });
    if (key == keys.end()) {
      std::vector<std::string_view> names;
      for (const Key& known : keys) names.push_back(known.name);
      return Wrong(path, "unknown key " + Quoted(name) + "; the nearest known one is '" +
                             std::string(Nearest(name, names)) + "'");
    }
    std::string inner = path;
    if (!inner.empty()) inner += '.';
    inner += name;
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return Wrong(inner, "is given twice");
    }
    seen.push_back(name);
    WEIR_RETURN_IF_ERROR(key->read(member.second, inner));
  }
  return {};
}

Status ReadSequence(const YAML::Node& node, const std::string& path,
                    const std::function<Status(const YAML::Node&, const std::string&)>& read) {
  if (!node.IsSequence()) return Wrong(path, "must be a list");
  if (node.size() > kEntriesMax) return Wrong(path, "has too many entries");
  size_t index = 0;
  for (const auto& element : node) {
    WEIR_RETURN_IF_ERROR(read(element, path + "[" + std::to_string(index++) + "]"));
  }
  return {};
}

// A mapping whose keys are the user's own: link ids, codes.
Status ReadEntries(
    const YAML::Node& node, const std::string& path,
    const std::function<Status(const std::string&, const YAML::Node&, const std::string&)>& read) {
  if (!node.IsMap()) return Wrong(path, "must be a mapping");
  if (node.size() > kEntriesMax) return Wrong(path, "has too many entries");
  for (const auto& member : node) {
    if (!member.first.IsScalar()) return Wrong(path, "has a key that is not a word");
    const std::string& name = member.first.Scalar();
    WEIR_RETURN_IF_ERROR(read(name, member.second, path + "." + name.substr(0, 80)));
  }
  return {};
}

Status ReadText(const YAML::Node& node, const std::string& path, std::string* text) {
  if (!node.IsScalar() || Trim(node.Scalar()).empty()) return Wrong(path, "must be a text");
  *text = Trim(node.Scalar());
  if (text->size() > kTextMax) return Wrong(path, "is longer than 1,024 bytes");
  const bool control = std::any_of(text->begin(), text->end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (control) return Wrong(path, "has control characters");
  return {};
}

Status ReadDouble(const YAML::Node& node, const std::string& path, double* number) {
  std::string text;
  WEIR_RETURN_IF_ERROR(ReadText(node, path, &text));
  const std::optional<double> value = ToDouble(text);
  if (!value || std::abs(*value) > 1e12) {
    return Wrong(path, "must be a number, not " + Quoted(text));
  }
  *number = *value;
  return {};
}

Status ReadAddress(const YAML::Node& node, const std::string& path, std::string* address) {
  std::string text;
  WEIR_RETURN_IF_ERROR(ReadText(node, path, &text));
  *address = Address(text);
  return {};
}

Status ReadAddresses(const YAML::Node& node, const std::string& path,
                     std::vector<std::string>* addresses) {
  return ReadSequence(node, path, [&](const YAML::Node& element, const std::string& at) -> Status {
    std::string address;
    WEIR_RETURN_IF_ERROR(ReadAddress(element, at, &address));
    if (std::find(addresses->begin(), addresses->end(), address) != addresses->end()) {
      return Wrong(at, "names item '" + address + "' again");
    }
    addresses->push_back(std::move(address));
    return {};
  });
}

Status ReadCondition(const YAML::Node& node, const std::string& path, Condition* condition) {
  std::string text;
  WEIR_RETURN_IF_ERROR(ReadText(node, path, &text));
  struct Sign {
    std::string_view sign;
    Operator op;
  };
  // Longer signs first: "<=" starts with "<".
  constexpr Sign kSigns[] = {{"<=", Operator::kLessOrEqual}, {">=", Operator::kGreaterOrEqual},
                             {"==", Operator::kEqual},       {"!=", Operator::kNotEqual},
                             {"<", Operator::kLess},         {">", Operator::kGreater}};
  for (const Sign& sign : kSigns) {
    if (!text.starts_with(sign.sign)) continue;
    const auto value = ToDouble(Trim(std::string_view(text).substr(sign.sign.size())));
    if (!value) break;
    *condition = {sign.op, *value};
    return {};
  }
  return Wrong(path,
               "must be one of < <= == != >= > and a number (\">= 20\"), not " + Quoted(text));
}

Status ReadLevel(const YAML::Node& node, const std::string& path, Level* level) {
  std::string text;
  WEIR_RETURN_IF_ERROR(ReadText(node, path, &text));
  for (const Level known : {Level::kElevated, Level::kUrgent}) {
    if (text == Name(known)) {
      *level = known;
      return {};
    }
  }
  return Wrong(path, "must be elevated or urgent, not " + Quoted(text));
}

Status ReadBand(const YAML::Node& node, const std::string& path, std::vector<Band>* bands) {
  Band band;
  bool from = false, to = false;
  WEIR_RETURN_IF_ERROR(ReadMapping(
      node, path,
      {{"name", [&](const auto& n, const auto& p) { return ReadText(n, p, &band.name); }},
       {"from",
        [&](const auto& n, const auto& p) {
          from = true;
          return ReadDouble(n, p, &band.low);
        }},
       {"to", [&](const auto& n, const auto& p) {
          to = true;
          return ReadDouble(n, p, &band.high);
        }}}));
  if (band.name.empty() || !from || !to) return Wrong(path, "needs name, from and to");
  if (band.low > band.high) return Wrong(path, "from is above to");
  bands->push_back(std::move(band));
  return {};
}

Status ReadRisk(const YAML::Node& node, const std::string& path, std::vector<RiskRule>* risk) {
  RiskRule rule;
  int subjects = 0;
  bool is = false;
  const auto subject = [&](Subject kind) {
    rule.subject = kind;
    ++subjects;
  };
  WEIR_RETURN_IF_ERROR(ReadMapping(
      node, path,
      {{"item",
        [&](const auto& n, const auto& p) {
          subject(Subject::kItem);
          return ReadAddress(n, p, &rule.address);
        }},
       {"is",
        [&](const auto& n, const auto& p) {
          is = true;
          return ReadCondition(n, p, &rule.condition);
        }},
       {"total",
        [&](const auto& n, const auto& p) {
          subject(Subject::kTotal);
          return ReadCondition(n, p, &rule.condition);
        }},
       {"rise",
        [&](const auto& n, const auto& p) {
          subject(Subject::kRise);
          return ReadCondition(n, p, &rule.condition);
        }},
       {"level", [&](const auto& n, const auto& p) { return ReadLevel(n, p, &rule.level); }},
       {"reason", [&](const auto& n, const auto& p) { return ReadText(n, p, &rule.reason); }}}));
  if (subjects != 1) return Wrong(path, "needs exactly one of item, total and rise");
  if (is != (rule.subject == Subject::kItem)) {
    return Wrong(path, is ? "'is' belongs to a rule on an item" : "a rule on an item needs 'is'");
  }
  if (rule.level == Level::kNone) return Wrong(path, "needs a level");
  risk->push_back(std::move(rule));
  return {};
}

Status ReadScores(const YAML::Node& node, const std::string& path, std::vector<ItemScores>* all) {
  return ReadEntries(
      node, path, [&](const auto& name, const auto& codes, const auto& at) -> Status {
        ItemScores item{std::string(Address(name)), {}};
        for (const ItemScores& earlier : *all) {
          if (earlier.address == item.address) return Wrong(at, "is given twice");
        }
        WEIR_RETURN_IF_ERROR(ReadEntries(
            codes, at, [&](const auto& code, const auto& score, const auto& spot) -> Status {
              OptionScore option{code, 0};
              for (const OptionScore& earlier : item.scores) {
                if (earlier.code == code) return Wrong(spot, "is given twice");
              }
              WEIR_RETURN_IF_ERROR(ReadDouble(score, spot, &option.score));
              item.scores.push_back(std::move(option));
              return {};
            }));
        all->push_back(std::move(item));
        return {};
      });
}

Status ReadUnits(const YAML::Node& node, const std::string& path, std::vector<ItemUnit>* units) {
  return ReadEntries(node, path, [&](const auto& name, const auto& unit, const auto& at) -> Status {
    units->push_back({std::string(Address(name)), {}});
    return ReadText(unit, at, &units->back().unit);
  });
}

Status ReadTotal(const YAML::Node& node, const std::string& path, Rules* rules) {
  return ReadMapping(
      node, path,
      {{"code",
        [&](const auto& n, const auto& p) { return ReadAddress(n, p, &rules->total_code); }},
       {"items", [&](const auto& n, const auto& p) {
          return ReadAddresses(n, p, &rules->total_items.emplace());
        }}});
}

Status ReadName(const YAML::Node& node, const std::string& path, std::string* name) {
  WEIR_RETURN_IF_ERROR(ReadText(node, path, name));
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (name->size() > 64 || !std::all_of(name->begin(), name->end(), good)) {
    return Wrong(path, "must be at most 64 of a-z, 0-9, '-' and '_', not " + Quoted(*name));
  }
  return {};
}

Status ReadFormat(const YAML::Node& node, const std::string& path) {
  double format = 0;
  WEIR_RETURN_IF_ERROR(ReadDouble(node, path, &format));
  if (format != 1) return Wrong(path, "only format 1 is known");
  return {};
}

Result<Rules> ReadRules(const YAML::Node& root) {
  Rules rules;
  rules.given = true;
  bool format = false;
  const std::vector<Key> keys = {
      {"format",
       [&](const auto& n, const auto& p) {
         format = true;
         return ReadFormat(n, p);
       }},
      {"name", [&](const auto& n, const auto& p) { return ReadName(n, p, &rules.name); }},
      {"version", [&](const auto& n, const auto& p) { return ReadText(n, p, &rules.version); }},
      {"aliases",
       [&](const auto& n, const auto& p) {
         return ReadSequence(n, p, [&](const YAML::Node& e, const std::string& at) {
           return ReadText(e, at, &rules.aliases.emplace_back());
         });
       }},
      {"total", [&](const auto& n, const auto& p) { return ReadTotal(n, p, &rules); }},
      {"scores", [&](const auto& n, const auto& p) { return ReadScores(n, p, &rules.scores); }},
      {"bands",
       [&](const auto& n, const auto& p) {
         return ReadSequence(n, p, [&](const YAML::Node& e, const std::string& at) {
           return ReadBand(e, at, &rules.bands);
         });
       }},
      {"risk",
       [&](const auto& n, const auto& p) {
         return ReadSequence(n, p, [&](const YAML::Node& e, const std::string& at) {
           return ReadRisk(e, at, &rules.risk);
         });
       }},
      {"safe_text",
       [&](const auto& n, const auto& p) { return ReadAddresses(n, p, &rules.safe_text); }},
      {"units", [&](const auto& n, const auto& p) { return ReadUnits(n, p, &rules.units); }},
      {"authored_age_max_days", [&](const auto& n, const auto& p) -> Status {
         WEIR_RETURN_IF_ERROR(ReadDouble(n, p, &rules.authored_age_max_days));
         if (rules.authored_age_max_days <= 0) return Wrong(p, "must be above 0");
         return {};
       }}};
  WEIR_RETURN_IF_ERROR(ReadMapping(root, "", keys));
  if (!format) return Wrong("format", "is missing; this program reads format 1");
  if (rules.name.empty()) return Wrong("name", "is missing");
  if (rules.version.empty()) return Wrong("version", "is missing");
  return rules;
}

}  // namespace

bool Condition::Holds(double number) const {
  switch (op) {
    case Operator::kLess:
      return number < value;
    case Operator::kLessOrEqual:
      return number <= value;
    case Operator::kEqual:
      return number == value;
    case Operator::kNotEqual:
      return number != value;
    case Operator::kGreaterOrEqual:
      return number >= value;
    case Operator::kGreater:
      return number > value;
  }
  return false;
}

std::string_view Address(std::string_view link_id) {
  if (link_id.starts_with('/')) link_id.remove_prefix(1);
  return link_id;
}

Result<Rules> ParseRules(std::string_view yaml) {
  if (Trim(yaml).empty()) return Rules{};
  // yaml-cpp reports what it cannot read by throwing: this is where that ends.
  try {
    const std::string text(yaml);
    WEIR_RETURN_IF_ERROR(SurveyYaml(text));
    return ReadRules(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return Wrong("line " + std::to_string(error.mark.line + 1), "is not YAML: " + error.msg);
  }
}

}  // namespace weir::clinical
