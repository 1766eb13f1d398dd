// Runs beside the page and hands it the samples of the microphone.

class Listener extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples.slice());
    return true;
  }
}

registerProcessor("listener", Listener);
