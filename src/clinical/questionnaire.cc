#include "clinical/questionnaire.h"

#include <simdjson.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "clinical/json_reader.h"
#include "clinical/rules.h"
#include "clinical/text.h"
#include "clinical/units.h"

namespace weir::clinical {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

tl::unexpected<base::Error> Wrong(const std::string& path, const std::string& what) {
  return Fail(ErrorCode::kInvalidArgument,
              "questionnaire: " + path + (path.empty() ? "" : ": ") + what);
}

std::string At(const std::string& path, std::string_view list, size_t index) {
  return path + (path.empty() ? "" : ".") + std::string(list) + "[" + std::to_string(index) + "]";
}

std::string_view Text(const object& from, std::string_view key) {
  std::string_view text;
  return from[key].get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

std::optional<double> NumberOf(const element& from) {
  double number = 0;
  if (from.get(number) == simdjson::SUCCESS) return number;
  // Some writers put decimals between quotes.
  std::string_view text;
  return from.get(text) == simdjson::SUCCESS ? ToDouble(text) : std::nullopt;
}

bool Flag(const object& from, std::string_view key) {
  bool flag = false;
  return from[key].get(flag) == simdjson::SUCCESS && flag;
}

// Calls visit(object, index) for each object of the array `key`; what is no object is passed over.
template <class Visit>
Status EachObject(const object& from, std::string_view key, Visit visit) {
  array list;
  if (from[key].get(list) != simdjson::SUCCESS) return {};
  size_t index = 0;
  for (const element entry : list) {
    object inner;
    if (entry.get(inner) == simdjson::SUCCESS) WEIR_RETURN_IF_ERROR(visit(inner, index));
    ++index;
  }
  return {};
}

// Visits each extension with its url, and its value[x] if it has one.
template <class Visit>
void EachExtension(const object& from, Visit visit) {
  (void)EachObject(from, "extension", [&](const object& extension, size_t) -> Status {
    for (const auto field : extension) {
      if (field.key.starts_with("value")) visit(Text(extension, "url"), field.value);
    }
    return {};
  });
}

// R4: ordinalValue and its forms on questionnaires, code systems and value sets. R5: itemWeight.
std::optional<double> ScoreOf(const object& from) {
  std::optional<double> score;
  EachExtension(from, [&](std::string_view url, const element& value) {
    constexpr std::string_view kPrefix = "http://hl7.org/fhir/StructureDefinition/";
    if (!url.starts_with(kPrefix)) return;
    const std::string_view name = url.substr(kPrefix.size());
    for (const std::string_view known :
         {"ordinalValue", "itemWeight", "questionnaire-ordinalValue", "iso21090-CO-value",
          "codesystem-ordinalValue", "valueset-ordinalValue"}) {
      if (name == known && !score) score = NumberOf(value);
    }
  });
  return score;
}

// Many items may share one value set: this bounds what they copy of it to some 10 MiB.
constexpr size_t kOptionsTotalMax = 50'000;

struct OptionEntry {
  AnswerOption option;
  std::string system;
};
using Options = std::vector<OptionEntry>;

void AddCoding(Options* options, const object& coding, std::string_view system,
               std::optional<double> score) {
  const std::string_view display = Text(coding, "display");
  std::string_view code = Text(coding, "code");
  if (code.empty()) code = display;
  if (!score) score = ScoreOf(coding);
  options->push_back({{std::string(code), std::string(display), score}, std::string(system)});
}

std::optional<ItemType> TypeOf(std::string_view name) {
  struct Entry {
    std::string_view name;
    ItemType type;
  };
  constexpr Entry kTypes[] = {
      {"group", ItemType::kGroup},        {"display", ItemType::kDisplay},
      {"choice", ItemType::kChoice},      {"open-choice", ItemType::kChoice},
      {"coding", ItemType::kChoice},      {"integer", ItemType::kInteger},
      {"decimal", ItemType::kDecimal},    {"boolean", ItemType::kBoolean},
      {"date", ItemType::kDate},          {"dateTime", ItemType::kDateTime},
      {"time", ItemType::kTime},          {"string", ItemType::kString},
      {"text", ItemType::kText},          {"url", ItemType::kUrl},
      {"quantity", ItemType::kQuantity},  {"attachment", ItemType::kAttachment},
      {"reference", ItemType::kReference}};
  for (const Entry& entry : kTypes) {
    if (entry.name == name) return entry.type;
  }
  return std::nullopt;
}

class Parser {
 public:
  explicit Parser(Questionnaire* out) : out_(*out) {}

  Status Read(const object& root) {
    WEIR_RETURN_IF_ERROR(ReadValueSets(root));
    WEIR_RETURN_IF_ERROR(ReadItems(root, "", false));
    if (out_.questions.empty()) return Wrong("item", "has no question that can be answered");
    ReadNames(root);
    if (out_.name.empty()) return Wrong("name", "is missing, and so are id, title and url");
    return {};
  }

 private:
  void ReadNames(const object& root) {
    const std::string_view url = Text(root, "url"), id = Text(root, "id");
    const size_t slash = url.rfind('/');
    for (const std::string_view name :
         {Text(root, "name"), id, Text(root, "title"),
          slash == std::string_view::npos ? url : url.substr(slash + 1)}) {
      if (out_.name.empty()) out_.name = Trim(name).substr(0, 128);
    }
    out_.title = Trim(Text(root, "title"));
    if (out_.title.empty()) out_.title = out_.name;
    const auto add = [&](std::string_view code) {
      if (!code.empty()) out_.codes.emplace_back(code);
    };
    (void)EachObject(root, "code", [&](const object& coding, size_t) -> Status {
      add(Text(coding, "code"));
      return {};
    });
    (void)EachObject(root, "identifier", [&](const object& identifier, size_t) -> Status {
      add(Text(identifier, "value"));
      return {};
    });
    add(url);
    if (!id.empty()) add("Questionnaire/" + std::string(id));
  }

  // The value sets that the file brings along. Those elsewhere are not looked up: any code will do.
  Status ReadValueSets(const object& root) {
    return EachObject(root, "contained", [&](const object& set, size_t index) -> Status {
      if (Text(set, "resourceType") != "ValueSet") return {};
      Options& options = value_sets_["#" + std::string(Text(set, "id"))];
      object part;
      if (set["compose"].get(part) == simdjson::SUCCESS) {
        WEIR_RETURN_IF_ERROR(
            EachObject(part, "include", [&](const object& include, size_t) -> Status {
              return EachObject(include, "concept", [&](const object& entry, size_t) -> Status {
                AddCoding(&options, entry, Text(include, "system"), ScoreOf(entry));
                return {};
              });
            }));
      } else if (set["expansion"].get(part) == simdjson::SUCCESS) {
        WEIR_RETURN_IF_ERROR(
            EachObject(part, "contains", [&](const object& entry, size_t) -> Status {
              AddCoding(&options, entry, Text(entry, "system"), ScoreOf(entry));
              return {};
            }));
      }
      if (options.size() > kOptionsMax)
        return Wrong(At("", "contained", index), "has too many codes");
      return {};
    });
  }

  // NOLINTNEXTLINE(misc-no-recursion): bounded by the parser's depth.
  Status ReadItems(const object& parent, const std::string& path, bool conditional) {
    return EachObject(parent, "item", [&](const object& node, size_t index) -> Status {
      const std::string at = At(path, "item", index);
      if (out_.questions.size() + out_.sections.size() >= kItemsMax) {
        return Wrong(at, "a questionnaire has at most 2,000 items");
      }
      const std::string_view link_id = Text(node, "linkId");
      const std::string_view address = Address(link_id);
      if (address.empty()) return Wrong(at + ".linkId", "is missing");
      if (address.size() > 255) return Wrong(at + ".linkId", "is longer than 255 bytes");
      if (!addresses_.emplace(address).second) {
        return Wrong(at + ".linkId", "item '" + std::string(address) + "' is there twice");
      }
      const std::optional<ItemType> type = TypeOf(Text(node, "type"));
      if (!type) {
        return Wrong(at + ".type", "'" + std::string(Text(node, "type")) +
                                       "' is not a type of item that this program knows");
      }
      element ignored;
      const bool sometimes = conditional || node["enableWhen"].get(ignored) == simdjson::SUCCESS;
      if (*type == ItemType::kGroup || *type == ItemType::kDisplay) {
        out_.sections.emplace_back(address);
        return ReadItems(node, at, sometimes);
      }
      Question question;
      question.item.link_id = link_id;
      question.item.address = address;
      question.item.type = *type;
      question.path = at;
      question.conditional = sometimes;
      WEIR_RETURN_IF_ERROR(ReadQuestion(node, &question));
      out_.questions.push_back(std::move(question));
      return ReadItems(node, at, true);
    });
  }

  Status ReadQuestion(const object& node, Question* question) {
    Item& item = question->item;
    item.text = Text(node, "text");
    item.required = Flag(node, "required");
    item.repeats = Flag(node, "repeats");
    question->answers_max = item.repeats ? 0 : 1;
    question->open =
        Text(node, "type") == "open-choice" || Text(node, "answerConstraint") == "optionsOrString";
    ReadExtensions(node, question);

    Options options;
    WEIR_RETURN_IF_ERROR(EachObject(node, "answerOption", [&](const object& entry, size_t index) {
      return ReadOption(entry, At(question->path, "answerOption", index), &options);
    }));
    if (const auto set = value_sets_.find(std::string(Text(node, "answerValueSet")));
        set != value_sets_.end()) {
      options.insert(options.end(), set->second.begin(), set->second.end());
    }
    if (options.size() > kOptionsMax) {
      return Wrong(question->path + ".answerOption", "an item has at most 500 answers");
    }
    options_total_ += options.size();
    if (options_total_ > kOptionsTotalMax) {
      return Wrong(question->path, "with this item there are more than 50,000 answers in all");
    }
    std::unordered_set<std::string> known;
    for (OptionEntry& entry : options) {
      if (entry.option.code.empty()) {
        return Wrong(question->path + ".answerOption", "an answer has neither code nor value");
      }
      if (!known.insert(entry.system + "|" + entry.option.code).second) {
        return Wrong(question->path + ".answerOption",
                     "answer '" + entry.option.code + "' is there twice");
      }
      item.options.push_back(std::move(entry.option));
      question->systems.push_back(std::move(entry.system));
    }
    return {};
  }

  static Status ReadOption(const object& entry, const std::string& path, Options* options) {
    object coding;
    if (entry["valueCoding"].get(coding) == simdjson::SUCCESS) {
      AddCoding(options, coding, Text(coding, "system"), ScoreOf(entry));
      return {};
    }
    for (const auto field : entry) {
      if (!field.key.starts_with("value")) continue;
      std::string_view text;
      double number = 0;
      std::string value;
      if (field.value.get(text) == simdjson::SUCCESS) {
        value = text;
      } else if (field.value.get(number) == simdjson::SUCCESS) {
        value = FormatNumber(number);
      } else {
        continue;
      }
      options->push_back({{value, value, ScoreOf(entry)}, {}});
      return {};
    }
    return Wrong(path, "has no valueCoding, valueString, valueInteger, valueDate or valueTime");
  }

  static void ReadExtensions(const object& node, Question* question) {
    Item& item = question->item;
    EachExtension(node, [&](std::string_view url, const element& value) {
      const size_t slash = url.rfind('/');
      const std::string_view name = slash == std::string_view::npos ? url : url.substr(slash + 1);
      object part;
      const bool is_object = value.get(part) == simdjson::SUCCESS;
      if (name == "minValue") item.minimum = NumberOf(value);
      if (name == "maxValue") item.maximum = NumberOf(value);
      if (name == "questionnaire-minOccurs") {
        if (NumberOf(value).value_or(0) >= 1) item.required = true;
      }
      if (name == "questionnaire-maxOccurs") {
        const double most = NumberOf(value).value_or(0);
        if (most >= 1 && most <= 1e6) question->answers_max = static_cast<uint32_t>(most);
      }
      if (!is_object) return;
      const bool least = name == "sdc-questionnaire-minQuantity";
      if (least || name == "sdc-questionnaire-maxQuantity") {
        element number;
        if (part["value"].get(number) == simdjson::SUCCESS) {
          (least ? item.minimum : item.maximum) = NumberOf(number);
        }
        if (item.unit.empty()) item.unit = UnitOf(part, "unit");
      }
      if (name == "questionnaire-unit") item.unit = UnitOf(part, "display");
    });
  }

  static std::string UnitOf(const object& from, std::string_view second_key) {
    const std::string_view code = Text(from, "code");
    return std::string(UnitCode(code.empty() ? Text(from, second_key) : code));
  }

  Questionnaire& out_;
  std::unordered_map<std::string, Options> value_sets_;
  std::unordered_set<std::string> addresses_;
  size_t options_total_ = 0;
};

}  // namespace

Result<Questionnaire> ParseQuestionnaire(std::string_view json) {
  simdjson::dom::parser parser(kFileBytesMax);
  if (parser.allocate(std::max(json.size(), size_t{1}), JsonReader::kDepthMax) !=
      simdjson::SUCCESS) {
    return Fail(ErrorCode::kTooLarge, "questionnaire: no memory to read it");
  }
  element document;
  const simdjson::padded_string padded(json);
  if (const auto error = parser.parse(padded).get(document)) {
    return Wrong("", std::string("is not JSON: ") + simdjson::error_message(error));
  }
  object root;
  if (document.get(root) != simdjson::SUCCESS) return Wrong("", "must be a JSON object");
  if (Text(root, "resourceType") != "Questionnaire") {
    return Wrong("resourceType", "must be 'Questionnaire'");
  }
  Questionnaire questionnaire;
  WEIR_RETURN_IF_ERROR(Parser(&questionnaire).Read(root));
  return questionnaire;
}

}  // namespace weir::clinical
