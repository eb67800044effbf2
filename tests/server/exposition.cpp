#include "tests/server/exposition.hpp"

#include <charconv>
#include <regex>
#include <set>

namespace assay::server::test {

namespace {

struct reader {
  exposition out;
  std::string present; ///< The family whose lines are being read.
  std::set<std::string> seen;
  std::map<std::string, double> last_bucket;

  void complain(const std::string& what, const std::string& line) {
    out.complaints.push_back(what + ": " + line);
  }

  void begin(const std::string& name, const std::string& line) {
    if (name == present)
      return;
    if (out.families.contains(name))
      complain("the lines of a family are not together", line);
    present = name;
    static const std::regex allowed("assay_[a-z][a-z0-9_]*");
    if (!std::regex_match(name, allowed))
      complain("the name breaks the conventions", line);
    for (const std::string unit : {"_ms", "_milliseconds", "_us", "_minutes", "_percent"})
      if (name.ends_with(unit) || name.ends_with(unit + "_total"))
        complain("the unit is no base unit", line);
  }

  void comment(const std::string& line) {
    static const std::regex form("# (HELP|TYPE) ([^ ]+) (.*)");
    std::smatch part;
    if (!std::regex_match(line, part, form))
      return complain("a comment of no known form", line);
    begin(part[2], line);
    auto& family = out.families[part[2]];
    auto& slot = part[1] == "HELP" ? family.help : family.type;
    if (!slot.empty())
      complain("said twice", line);
    if (!family.series.empty())
      complain("said after the first sample", line);
    slot = part[3];
    if (part[1] == "TYPE" && (slot == "counter") != present.ends_with("_total"))
      complain("counters, and nothing else, end in _total", line);
  }

  std::string family_of_sample(const std::string& name) const {
    for (const std::string suffix : {"_bucket", "_sum", "_count"})
      if (name.ends_with(suffix)) {
        const auto found = out.families.find(name.substr(0, name.size() - suffix.size()));
        if (found != out.families.end()
            && (found->second.type == "histogram" || found->second.type == "summary"))
          return found->first;
      }
    return name;
  }

  void check_labels(std::string labels, const std::string& line) {
    static const std::regex one(R"re(([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,?))re");
    std::set<std::string> names;
    std::smatch part;
    while (!labels.empty()) {
      if (!std::regex_search(labels, part, one, std::regex_constants::match_continuous))
        return complain("labels of no known form", line);
      if (!names.insert(part[1]).second)
        complain("a label twice", line);
      labels = part.suffix();
    }
  }

  void sample(const std::string& line) {
    static const std::regex form(R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+))re");
    std::smatch part;
    if (!std::regex_match(line, part, form))
      return complain("a sample of no known form", line);
    const std::string name = part[1];
    const auto of = family_of_sample(name);
    const auto found = out.families.find(of);
    if (found == out.families.end() || found->second.help.empty() || found->second.type.empty())
      return complain("a sample without HELP and TYPE before it", line);
    begin(of, line);
    check_labels(part[2], line);
    const std::string value = part[3];
    double number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool special = value == "+Inf" || value == "-Inf" || value == "NaN";
    if (!special && (error != std::errc{} || end != value.data() + value.size()))
      complain("the value is no number", line);
    const auto series = name + "{" + std::string(part[2]) + "}";
    if (!seen.insert(series).second)
      complain("the same series twice", line);
    found->second.series.push_back(series);
    if (found->second.type == "counter" && number < 0)
      complain("a counter below zero", line);
    if (name.ends_with("_bucket")) {
      if (number < last_bucket[of])
        complain("buckets do not add up", line);
      last_bucket[of] = number;
    }
  }
};

} // namespace

exposition read_exposition(std::string_view text) {
  reader in;
  if (!text.ends_with('\n'))
    in.complain("the last line does not end", std::string(text.substr(text.rfind('\n') + 1)));
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('#'))
      in.comment(line);
    else if (!line.empty())
      in.sample(line);
  }
  for (const auto& [name, family] : in.out.families)
    if (family.type.empty() || family.help.empty())
      in.complain("no HELP or no TYPE", name);
  return std::move(in.out);
}

} // namespace assay::server::test
