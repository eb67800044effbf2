#include "core/gate/verdict.hpp"
#include "core/values/markup.hpp"

namespace assay::gate {
namespace {

size_t count(const gate_report& report, verdict wanted) noexcept {
  size_t found = 0;
  for (const auto& rule : report.rules)
    found += rule.outcome == wanted ? 1 : 0;
  return found;
}

} // namespace

std::string to_junit(const gate_report& report) {
  const auto numbers = " tests=\"" + std::to_string(report.rules.size()) + "\" failures=\""
                       + std::to_string(count(report, verdict::fail)) + "\" errors=\""
                       + std::to_string(count(report, verdict::inconclusive)) + "\"";
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" + numbers + ">\n";
  out += "  <testsuite name=\"" + escape_attribute(report.policy) + "\"" + numbers + ">\n";
  for (const auto& rule : report.rules) {
    out += "    <testcase classname=\"" + escape_attribute(report.run) + "\" name=\""
           + escape_attribute(rule.name) + "\"";
    if (rule.outcome == verdict::pass) {
      out += "/>\n";
      continue;
    }
    const std::string tag = rule.outcome == verdict::fail ? "failure" : "error";
    out += ">\n      <" + tag + " type=\"" + std::string(to_string(rule.outcome)) + "\" message=\""
           + escape_attribute(rule.message) + "\"/>\n    </testcase>\n";
  }
  return out + "  </testsuite>\n</testsuites>\n";
}

} // namespace assay::gate
