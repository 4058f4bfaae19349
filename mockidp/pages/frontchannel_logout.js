(function () {
  var link = document.getElementById("continue"), go = function () { if (link) { location.replace(link.href); link = null } };
  addEventListener("load", go);
  setTimeout(go, 5000);
})()
