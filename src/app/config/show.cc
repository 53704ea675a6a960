// What is in force, and what there is: `weir config show` and `weir config schema`.
#include <algorithm>
#include <set>
#include <type_traits>

#include "app/config/go_zero.h"
#include "app/config/load.h"
#include "app/config/schema.h"
#include "app/config/values.h"
#include "base/json_writer.h"

namespace weir::config {
namespace {

constexpr std::string_view kMask = "\"***\"";

// The keys of a configuration as a tree, to be written as YAML.
struct Branch {
  std::string name;
  std::string value;  // of a leaf
  bool item = false;  // an item of a list
  std::vector<Branch> branches;

  Branch& Child(const std::string& child, bool is_item) {
    const auto found = std::ranges::find(branches, child, &Branch::name);
    if (found != branches.end()) return *found;
    branches.push_back({child, {}, is_item, {}});
    return branches.back();
  }
};

std::string YamlName(const std::string& name) {
  const bool plain = !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  if (plain && name != "true" && name != "false" && name != "null") return name;
  std::string out = "\"";
  base::AppendJsonEscaped(out, name);
  return out + '"';
}

void WriteYaml(const Branch& branch, size_t depth, bool after_dash, std::string& out) {
  for (const Branch& child : branch.branches) {
    if (!after_dash) out.append(2 * depth, ' ');
    after_dash = false;
    if (child.item) {
      out += "- ";
      WriteYaml(child, depth + 1, true, out);
    } else if (child.branches.empty()) {
      out += YamlName(child.name) + ": " + child.value + "\n";
    } else {
      out += YamlName(child.name) + ":\n";
      WriteYaml(child, depth + 1, false, out);
    }
  }
}

std::string Cell(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return text;
}

// The part of a path that heads its section: "Alerts" of "Alerts.Targets.<name>.Url".
std::string Section(const Key& key) {
  const size_t dot = key.path.find('.');
  return dot == std::string::npos ? "Server" : key.path.substr(0, dot);
}

std::string Default(const Key& key) {
  Config config;
  const Captures first = {"0"};
  return Format(key, key.field(config, key.pattern() ? first : Captures{}));
}

}  // namespace

std::string Show(const Config& config) {
  Config copy = config;  // the table's fields are not const
  Branch root;
  for (const Key& key : Schema()) {
    const Path pattern = SplitPath(key.path);
    for (const Captures& captures : InstancesOf(key, config)) {
      Branch* at = &root;
      size_t next = 0;
      for (const std::string& segment : pattern) {
        const bool captured = segment.starts_with('<');
        at = &at->Child(captured ? captures[next++] : segment, segment == "<n>");
      }
      const std::string value = Format(key, key.field(copy, captures));
      at->value = key.secret && value != "\"\"" ? std::string(kMask) : value;
    }
  }
  std::string out;
  WriteYaml(root, 0, false, out);
  return out;
}

std::string SchemaMarkdown() {
  std::string out =
      "# Configuration\n\n"
      "Printed by `weir config schema`; a test compares it with the program.\n\n"
      "A configuration is a YAML file (`weir serve --config FILE`), over it the environment "
      "(`Admin.Port` is `WEIR_ADMIN_PORT`; `DataDir` is `WEIR_DATADIR` or `WEIR_DATA_DIR`), over "
      "that `--set Admin.Port=9000`. What is not given has its default. Unknown keys are errors, "
      "unknown `WEIR_…` variables warnings, for the environment is shared; both name the nearest "
      "key. "
      "`weir config check` reads it without starting, `weir config show` prints what is in "
      "force.\n\n"
      "Durations are written `500ms`, `30s`, `15m`, `24h`, `7d` (a bare number is milliseconds); "
      "sizes `64KiB`, `128MiB`, `1GiB` (a bare number is bytes). `<name>` and `<id>` are names of "
      "your choice, `<n>` is an item of a list. Keys marked *reload* take effect on SIGHUP, all "
      "others at the next start; tokens and the files of instruments are read anew as well. Text "
      "in a value that holds a secret is shown as `***`: keep the file readable by its owner "
      "alone.\n";
  std::string section;
  for (const Key& key : Schema()) {
    if (Section(key) != section) {
      section = Section(key);
      out += "\n## " + section + "\n\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n";
    }
    std::string meaning = key.doc;
    if (!key.aliases.empty()) {
      meaning += " Also written";
      for (size_t i = 0; i < key.aliases.size(); ++i) {
        meaning += (i == 0 ? " `" : ", `") + key.aliases[i] + "`";
      }
      meaning += ".";
    }
    for (const std::string& name : key.switches) {
      meaning += (&name == &key.switches.front() ? " Switched by `" : ", `") + name + "`";
    }
    if (!key.switches.empty()) {
      meaning += " (true: " + FormatReal(key.max) + ", false: " + FormatReal(key.min) + ").";
    }
    if (key.reloadable) meaning += " *reload*";
    if (key.secret) meaning += " *secret*";
    const std::string value = Default(key);
    out += "| `" + key.path + "` | " + Cell(TypeName(key)) + " | " +
           (value == "\"\"" || value == "[]" ? "" : "`" + value + "`") + " | " + Cell(meaning) +
           " |\n";
  }
  out +=
      "\n## Files of go-zero\n\n"
      "Keys of go-zero that have a meaning here are taken; they stand above, as what a key is also "
      "written. The others, at the top or under `Rest`, may say what is so here anyway, and are "
      "errors else.\n\n"
      "| go-zero's key | may say | instead |\n|---|---|---|\n";
  for (const GoZeroKey& key : GoZeroKeys()) {
    out.append("| `").append(key.path).append("` | ");
    for (const std::string_view value : key.same) {
      out.append(value == key.same.front() ? "`" : ", `").append(value).append("`");
    }
    out.append(" | ").append(key.instead).append(" |\n");
  }
  return out;
}

Changes Compare(const Config& running, const Config& fresh) {
  Config before = running, after = fresh;
  Changes changes;
  for (const Key& key : Schema()) {
    // In order: the places of a list are made one after the other.
    std::vector<Captures> all = InstancesOf(key, running);
    const std::set<Captures> known(all.begin(), all.end());
    for (Captures& captures : InstancesOf(key, fresh)) {
      if (!known.contains(captures)) all.push_back(std::move(captures));
    }
    // An element that only one of the two has is made in the other, empty: then it differs, unless
    // it is empty itself.
    for (const Captures& captures : all) {
      if (Format(key, key.field(before, captures)) == Format(key, key.field(after, captures))) {
        continue;
      }
      (key.reloadable ? changes.reloadable : changes.needs_restart).push_back(Fill(key, captures));
    }
  }
  return changes;
}

Config Reloaded(const Config& running, const Config& fresh) {
  Config result = running, source = fresh;
  for (const Key& key : Schema()) {
    if (!key.reloadable || key.pattern()) continue;
    const Field to = key.field(result, {}), from = key.field(source, {});
    std::visit([&to](auto* value) { *std::get<std::remove_const_t<decltype(value)>>(to) = *value; },
               from);
  }
  return result;
}

}  // namespace weir::config
