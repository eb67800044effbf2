#include "core/gate/verdict.hpp"

namespace assay::gate {
namespace {

/// For XML 1.0, between tags and in attributes alike; characters that it does not know become a question
/// mark.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\n':
      out += "&#10;";
      break;
    default:
      out += static_cast<unsigned char>(c) < 0x20 && c != '\t' ? '?' : c;
    }
  }
  return out;
}

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
  out += "  <testsuite name=\"" + escaped(report.policy) + "\"" + numbers + ">\n";
  for (const auto& rule : report.rules) {
    out += "    <testcase classname=\"" + escaped(report.run) + "\" name=\"" + escaped(rule.name) + "\"";
    if (rule.outcome == verdict::pass) {
      out += "/>\n";
      continue;
    }
    const std::string tag = rule.outcome == verdict::fail ? "failure" : "error";
    out += ">\n      <" + tag + " type=\"" + std::string(to_string(rule.outcome)) + "\" message=\""
           + escaped(rule.message) + "\"/>\n    </testcase>\n";
  }
  return out + "  </testsuite>\n</testsuites>\n";
}

} // namespace assay::gate
