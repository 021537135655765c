// Passes on that Plumbline is to stop, and ends it for good when it does not: a process that hangs in the middle of its work hears no
// signal but SIGKILL. Plain old JavaScript, as bin/plumbline is.
'use strict';

// `up` leaves what it starts after 15 seconds, and what it carries out after 15 more.
var patienceMs = 45000;

/** `say` is told when it had to be killed. `withinMs` is for tests. */
exports.stopChild = function (child, signal, say, withinMs) {
  var ms = withinMs === undefined ? patienceMs : withinMs;
  child.kill(signal);
  // The first signal begins the time that is left; further ones are passed on and change nothing about it.
  if (child.stopping) return;
  child.stopping = setTimeout(function () {
    if (child.exitCode !== null || child.signalCode !== null) return;
    say('Plumbline hangs: ' + ms / 1000 + ' seconds after ' + signal + ' it had not ended, and was killed.');
    child.kill('SIGKILL');
  }, ms);
  child.once('exit', function () {
    clearTimeout(child.stopping);
  });
};
